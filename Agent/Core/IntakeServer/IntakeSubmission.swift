package import Intake
package import Telemetry

/// What one request hands to the engine. The engine answers exactly once, from any thread.
package struct IntakeSubmission: Sendable {
    /// Valid, not yet freed of repeats (``StreamMetrics/admit(_:)`` is the engine's).
    package var events: [ListeningEvent]
    package var metrics: [MetricRecord]
    /// "Playing now" notices: for ``StreamMetrics/announce(_:now:)`` only, not to be stored.
    package var announcements: [ListeningEvent]
    package var reply: @Sendable (IntakeOutcome) -> Void

    package init(
        events: [ListeningEvent] = [], metrics: [MetricRecord] = [], announcements: [ListeningEvent] = [],
        reply: @escaping @Sendable (IntakeOutcome) -> Void
    ) {
        self.events = events
        self.metrics = metrics
        self.announcements = announcements
        self.reply = reply
    }

    package var recordCount: Int { events.count + metrics.count + announcements.count }
}

/// What became of a submission.
package enum IntakeOutcome: Sendable, Equatable {
    /// Everything that was new is in the buffer's file; `duplicates` events were there already, and `claimed` samples are
    /// of series that the agent reads itself (from a scraped target, say) and takes from nobody else.
    case committed(duplicates: Int, claimed: Int = 0)
    /// Not taken: answered with 429 and Retry-After.
    case overloaded
    /// Not stored: answered with 503. The reason is shown to the client and must hold no data of the request.
    case failed(reason: String)
}
