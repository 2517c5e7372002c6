package import Collectors
package import Intake
package import Telemetry

/// What one source hands to the engine at one instant.
package struct SourceDelivery: Sendable {
    package var scrape: Scrape
    /// Samples that brought a time of their own.
    package var points: [MetricRecord]
    /// How far the source has read, to be kept in the very commit that stores the samples.
    package var checkpoint: SourceCheckpoint?
    /// What is news of metric families.
    package var families: [MetricMetadata] = []

    package init(scrape: Scrape, points: [MetricRecord] = [], checkpoint: SourceCheckpoint? = nil) {
        self.scrape = scrape
        self.points = points
        self.checkpoint = checkpoint
    }
}

/// A place in a source's input, under a key of the buffer's own.
package struct SourceCheckpoint: Sendable, Equatable {
    package var key: String
    package var value: [UInt8]
    package init(key: String, value: [UInt8]) {
        self.key = key
        self.value = value
    }
}
