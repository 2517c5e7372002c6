/// The bounds of the agent's buffer.
package struct BufferConfiguration: Hashable, Sendable {
    /// buffer.bytes (256 MiB, 4 MiB to 64 GiB): the database file and the budget of its WAL together.
    package var bytesMax: Int64
    /// buffer.sync-interval (5,000 ms, 0 to 60,000): a commit waits for the disk when the last that did is at
    /// least this old, so a power cut loses at most as much. 0: every commit waits.
    package var syncIntervalMilliseconds: Int64
    /// Drained epochs whose ledger stays readable; older ones are summed up.
    package var drainedEpochsMax: Int
    /// Databases that were set aside and are kept beside the running one.
    package var quarantinesMax: Int

    package init(
        bytesMax: Int64 = 256 << 20, syncIntervalMilliseconds: Int64 = 5_000, drainedEpochsMax: Int = 16,
        quarantinesMax: Int = 2
    ) {
        precondition((4 << 20...64 << 30).contains(bytesMax), "buffer.bytes is \(bytesMax): 4 MiB to 64 GiB")
        self.bytesMax = bytesMax
        self.syncIntervalMilliseconds = syncIntervalMilliseconds
        self.drainedEpochsMax = drainedEpochsMax
        self.quarantinesMax = quarantinesMax
    }
}

/// Bounds that no setting changes.
package enum BufferLimits {
    /// Small pages: a row of 5 KB dirties 14 of them, 7.5 KB with the WAL's frames; with pages of 4 KiB, 20 KB.
    package static let pageSizeBytes = 512
    package static let cacheBytes = 256 * 1024
    /// The WAL is copied back beyond this, and holds at most one transaction more.
    package static let walCheckpointBytes = 512 * 1024
    /// Part of `bytesMax` that the WAL may take.
    package static let walBytesMax: Int64 = 1536 * 1024
    /// A group of appends is committed in parts of about this size.
    package static let transactionBytesMax = 256 * 1024
    /// Settled rows that may wait for the next commit to be deleted with it.
    package static let deferredRowsMax = 64
    package static let deferredBytesMax: Int64 = 512 * 1024
    package static let deferredMilliseconds: Int64 = 30_000
    /// Rows deleted in one transaction.
    package static let deletionRowsMax = 256
    /// Bytes of settled rows that one call deletes (tens of milliseconds); the rest is for the next calls of `upkeep()`.
    package static let settledBytesPerCall = 16 << 20
    /// Space that ordinary rows leave to losses, tables, keys and ledgers.
    package static let reserveBytes = 256 * 1024
    /// Loss batches that may wait at once; until one is settled, further losses grow the records on disk.
    package static let lossBatchesMax = 16
    package static let lossRecordsPerBatchMax = 512
    /// Loss records on disk beyond which neighbours are merged.
    package static let lossRecordsUsual = 1024
    package static let parkedBytesMax: Int64 = 1 << 20
    package static let parkedMilliseconds: Int64 = 7 * 86_400_000
    /// Tables and keys together.
    package static let auxiliaryBytesMax: Int64 = 8 << 20
    package static let auxiliaryCountMax = 4096
    package static let tablesPerRowMax = 64
    /// Three manifests at their largest: committed for group and agent, and one on its way.
    package static let valueBytesMax = 160 * 1024
    package static let valueCountMax = 128
    /// Files up to this size are checked page by page when they are opened (tens of milliseconds).
    package static let checkedBytesMax: Int64 = 16 << 20
    /// The file is written anew when this much of it is free and at most `compactedBytesMax` is alive.
    package static let freeBytesKept: Int64 = 2 << 20
    package static let compactedBytesMax: Int64 = 1 << 20
    package static let incidentsMax = 64
}
