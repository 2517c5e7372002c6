package import Telemetry

/// Settings of one tenant's ingest.
package struct IngestConfiguration: Sendable {
    /// Names this aggregator in its acknowledgements.
    package var aggregatorID: ID128
    /// Batches of samples whose last timestamp is older are finally rejected as too old. Default 400 days.
    package var retentionMilliseconds: Int64
    /// The same for batches of events.
    package var eventRetentionMilliseconds: Int64
    /// Bound on what an agent may have unacknowledged in flight. Default 1 MiB.
    package var creditBytes: UInt64
    /// Dedup records of epochs silent for longer are forgotten. It has to exceed the life of every key that
    /// their batches could be opened with: 35 days published ahead, 35 days of backlog, a margin. Default 80 days.
    package var forgetMilliseconds: Int64

    package init(
        aggregatorID: ID128, retentionMilliseconds: Int64 = 400 * 86_400_000,
        eventRetentionMilliseconds: Int64 = 400 * 86_400_000, creditBytes: UInt64 = 1 << 20,
        forgetMilliseconds: Int64 = 80 * 86_400_000
    ) {
        self.eventRetentionMilliseconds = eventRetentionMilliseconds
        self.aggregatorID = aggregatorID
        self.retentionMilliseconds = retentionMilliseconds
        self.creditBytes = creditBytes
        self.forgetMilliseconds = forgetMilliseconds
    }
}
