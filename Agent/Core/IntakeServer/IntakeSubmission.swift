package import Intake
package import Sources
package import Telemetry

/// What one request hands to the engine. The engine answers exactly once, from any thread.
package struct IntakeSubmission: Sendable {
    /// Valid, not yet freed of repeats (``StreamMetrics/admit(_:)`` is the engine's).
    package var events: [ListeningEvent]
    package var metrics: [MetricRecord]
    /// What is said of their families.
    package var families: [MetricMetadata] = []
    /// "Playing now" notices: for ``StreamMetrics/announce(_:now:)`` only, not to be stored.
    package var announcements: [ListeningEvent]
    /// What a relay hands on; alone, or nothing.
    package var relayed: RelayedRecords
    package var reply: @Sendable (IntakeOutcome) -> Void

    package init(
        events: [ListeningEvent] = [], metrics: [MetricRecord] = [], announcements: [ListeningEvent] = [],
        relayed: RelayedRecords = RelayedRecords(), reply: @escaping @Sendable (IntakeOutcome) -> Void
    ) {
        self.events = events
        self.metrics = metrics
        self.announcements = announcements
        self.relayed = relayed
        self.reply = reply
    }

    package var recordCount: Int {
        events.count + metrics.count + announcements.count + relayed.recordCount
    }

    /// About what it takes while it waits for the engine.
    package var memoryBytes: Int {
        256 * (events.count + metrics.count + announcements.count) + relayed.memoryBytes
    }
}

/// What a regional aggregator hands over to be handed on.
package struct RelayedRecords: Sendable {
    package var series: [RelayedSeries]
    /// What is said of the metrics of `series`.
    package var families: [MetricMetadata]
    package var events: [ListeningEvent]
    /// Each with its source.
    package var findings: [Finding]

    package init(
        series: [RelayedSeries] = [], families: [MetricMetadata] = [], events: [ListeningEvent] = [],
        findings: [Finding] = []
    ) {
        self.series = series
        self.families = families
        self.events = events
        self.findings = findings
    }

    package var isEmpty: Bool { series.isEmpty && families.isEmpty && events.isEmpty && findings.isEmpty }
    /// Samples, events and findings.
    package var recordCount: Int {
        series.reduce(0) { $0 + $1.values.count } + events.count + findings.count
    }
    var memoryBytes: Int {
        series.reduce(0) { $0 + 256 + 16 * $1.values.count } + 256 * (families.count + events.count)
            + 2048 * findings.count
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
