/// Bounds of one tenant's store; what happens at each stands beside it.
package enum StoreLimits {
    /// Blocks that the head keeps decoded, bytes; the oldest fall back to their compressed body.
    package static let headDecodedBytesMax = 32 << 20
    /// Columns of level 0 that the head keeps for range queries, bytes, about; agents beyond it have those of series that
    /// are asked for, or none.
    package static let headColumnBytesMax = 24 << 20
    /// Series of one agent that a query asks for, or that others asked for before it, to have columns of their own.
    package static let columnSeriesMax = 256
    /// So many of an agent's newest blocks stay decoded when columns hold their samples: for what looks for last samples.
    package static let headDecodedBlocksMin = 128
    /// Compressed bodies that the head keeps in memory; the oldest are read from disk when asked for.
    package static let headBodyBytesMax = 64 << 20
    /// An agent's blocks older than this are merged into chunk groups.
    package static let levelZeroMillisecondsMax: Int64 = 300_000
    /// An agent with more level-0 blocks than this is merged early.
    package static let levelZeroBlocksMax = 512
    /// What one compaction step takes of one agent, samples (16 bytes each while merging).
    package static let compactionSamplesMax = 8_000_000
    /// Series per chunk group: what a query for one series reads and inflates at most.
    package static let chunkGroupSeriesMax = 1024
    /// The window of a chunk group.
    package static let windowMilliseconds: Int64 = 7_200_000
    package static let dayMilliseconds: Int64 = 86_400_000
    /// Samples' times lie within this distance of 1970; level-0 blocks beyond it are set aside as damaged.
    package static let timeMillisecondsMax: Int64 = 1_000_000_000_000_000
    /// Groups of one agent and window before they are merged into one although the window is still open.
    package static let partsMax = 24
    /// After a window's end its parts are merged into one group.
    package static let windowGraceMilliseconds: Int64 = 900_000
    /// A closed window is rolled up when nothing was written to it for this long.
    package static let rollupRestMilliseconds: Int64 = 900_000
    /// Quarantined blocks; beyond it the oldest are dropped and become a gap.
    package static let quarantineBytesMax = 64 << 20
    /// Day files open at once; the least recently used is closed.
    package static let openDaysMax = 40
    /// Series per tenant; further ones are left out and counted until there is room again.
    package static let seriesMax = 2_000_000
    /// Findings kept per tenant, some 0.5 kB each; the oldest go first.
    package static let findingsMax: Int64 = 100_000
    /// Gaps kept per tenant; the oldest go first.
    package static let gapsMax = 10_000
    /// Small rows of `ingest.sqlite` that did not decode, kept for inspection; the oldest go first.
    package static let damagedItemsMax = 1000
    /// Deletions remembered per tenant; more are refused.
    package static let deletionsMax = 1000
    /// How long a deletion is applied to what agents deliver late, once the files are free of it.
    package static let deletionMemoryMilliseconds: Int64 = 35 * 86_400_000
    /// Files up to this size are written anew in memory, larger ones through a temporary file.
    package static let vacuumMemoryBytesMax: Int64 = 64 << 20
    /// Free pages given back per maintenance step.
    package static let vacuumPagesMax = 2048
}
