package import Intake
package import Sources
package import Telemetry

/// What one request hands to the engine. The engine answers exactly once, from any thread.
package struct IntakeSubmission: Sendable {
    /// Valid, not yet freed of repeats (``StreamMetrics/admit(_:)`` is the engine's).
    package var events: [ListeningEvent]
    package var metrics: [MetricRecord]
    /// "Playing now" notices: for ``StreamMetrics/announce(_:now:)`` only, not to be stored.
    package var announcements: [ListeningEvent]
    /// What a relay hands on; alone, or nothing.
    package var relayed: [RelayedSeries]
    package var reply: @Sendable (IntakeOutcome) -> Void

    package init(
        events: [ListeningEvent] = [], metrics: [MetricRecord] = [], announcements: [ListeningEvent] = [],
        relayed: [RelayedSeries] = [], reply: @escaping @Sendable (IntakeOutcome) -> Void
    ) {
        self.events = events
        self.metrics = metrics
        self.announcements = announcements
        self.relayed = relayed
        self.reply = reply
    }

    package var recordCount: Int {
        events.count + metrics.count + announcements.count + relayed.reduce(0) { $0 + $1.values.count }
    }

    /// About what it takes while it waits for the engine.
    package var memoryBytes: Int {
        256 * (events.count + metrics.count + announcements.count)
            + relayed.reduce(0) { $0 + 256 + 16 * $1.values.count }
    }
}

/// What became of a submission.
package enum IntakeOutcome: Sendable, Equatable {
    /// Everything that was new is in the buffer's file; `duplicates` events were there already, and `claimed` samples are
    /// of series that the agent reads itself (from a scraped target, say) and takes from nobody else, or that a relay has
    /// no room to name.
    case committed(duplicates: Int, claimed: Int = 0)
    /// Not taken: answered with 429 and Retry-After.
    case overloaded
    /// Not stored: answered with 503. The reason is shown to the client and must hold no data of the request.
    case failed(reason: String)
}
