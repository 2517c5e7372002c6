/// Bounds of ingest; what happens at each stands beside it.
package enum IngestLimits {
    /// Ranges above the contiguous sequence; a batch that would need more stays unacknowledged.
    package static let rangesMax = 1024
    /// New epochs of one agent within one day; batches of further ones stay unacknowledged.
    package static let epochsPerDayMax = 128
    /// Blocks waiting for a series table: then forgotten, unacknowledged; the agent sends them again.
    package static let waitingMillisecondsMax: Int64 = 1000
    package static let waitingBytesMax = 4 * 1024 * 1024
    /// Between two requests for the same table or key.
    package static let requestMillisecondsMin: Int64 = 30_000
    /// Tables and keys asked for in one acknowledgement; the rest in the next.
    package static let requestsPerAcknowledgementMax = 16
    /// Parked payloads of one tenant: the oldest go first.
    package static let parkedBytesMax = 1024 * 1024
    package static let parkedMillisecondsMax: Int64 = 7 * 86_400_000
    /// Parked payloads of one commit: further ones are only counted. Fewer of those that nobody has proven to be
    /// the agent's, for a broker can make as many as it likes.
    package static let parkedPerCommitMax = 256
    package static let unprovenPerCommitMax = 8
    /// Samples further ahead of our clock go to quarantine.
    package static let aheadMillisecondsMax: Int64 = 300_000
    /// An unsynchronised clock this close to ours, by what just arrived, is as good as a synchronised one.
    package static let measuredSkewMillisecondsMax: Int64 = 5000
    /// From the last sample of a block to its sealing: the longest flush interval, the measured skew, a margin.
    package static let sealingMillisecondsMax: Int64 = 75_000
    /// An offline state takes effect after this.
    package static let offlineGraceMilliseconds: Int64 = 30_000
    /// How long a challenge is fresh.
    package static let challengeMillisecondsMax: Int64 = 600_000
    /// Acknowledgements are combined over at most this.
    package static let acknowledgementDelayMilliseconds: Int64 = 250
    /// One commit, in memory (decoded samples included): what exceeds it is dropped, unacknowledged.
    package static let commitBlocksMax = 4096
    package static let commitBytesMax = 32 * 1024 * 1024
    /// Agents that one tenant's ingest keeps state for; messages of further ones are refused.
    package static let agentsMax = 100_000
    /// Tables known per agent; beyond it the one named longest ago is forgotten and asked for when it is named again.
    package static let tablesPerAgentMax = 4096
}
