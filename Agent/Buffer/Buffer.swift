package import RuntimeSupport
import SQLite
package import Telemetry

/// The agent's only queue: sealed batches in one SQLite file until a signed acknowledgement frees them.
///
/// In numbers: the file and its WAL stay within `bytesMax`; memory holds the ledgers and at most a transaction,
/// never the rows; a commit of one 5 KB row writes about 7.5 KB. A crash of the process loses nothing committed;
/// a power cut at most the last `syncIntervalMilliseconds`. Damage is set aside and a new file begun.
///
/// At the bound the oldest live rows go, then the oldest alert rows, never losses, tables, keys or rows in flight;
/// each drop becomes a loss record in the same transaction. Used by the engine's thread only.
package final class Buffer {
    package let path: String
    package let configuration: BufferConfiguration
    let time: any TimeSource
    var generator: any RandomNumberGenerator

    /// Rows that the uplink has published and that are not settled: never evicted. The uplink keeps it up to date;
    /// bounded by its window.
    package var rowsInFlight: Set<Int64> = []
    /// How often a damaged file was replaced since the start; tables and keys have to be put again when it grows.
    package internal(set) var rebuildCount = 0

    /// Nil after a rebuild that could not make a new file; each call tries again.
    var store: RowStore?
    var books = Books()
    var staging: Staging?
    /// Tables and keys that the running encoder will name again; nil until it said so.
    var liveAuxiliaries: Set<AuxiliaryName>?
    var incidents: [BufferIncident] = []
    /// Monotonic milliseconds of the last commit that waited for the disk.
    var lastSynchronized: Int64?
    var hasUnsynchronizedCommit = false
    var lastUpkeep: Int64?
    /// The last deferrable write failed, and that was reported.
    var isWriteFailing = false
    var lastSession: UInt64 = 0
    /// For the simulation of a full disk, see `limitFile`.
    var fileLimitPages: Int?

    /// Opens or makes the file, sets a damaged one aside and draws a new epoch. Nothing is written until the
    /// first append, so that an agent starts on a full disk.
    /// - Parameter generator: where epochs come from; in production the system's generator.
    /// - Throws: `BufferError.cannotOpen` when neither the file nor a new one can be opened.
    package init(
        path: String, configuration: BufferConfiguration = BufferConfiguration(), time: any TimeSource,
        generator: any RandomNumberGenerator = SystemRandomNumberGenerator()
    ) throws {
        self.path = path
        self.configuration = configuration
        self.time = time
        self.generator = generator
        do {
            try open()
        } catch {
            let error = Self.sqlite(error, path)
            guard Self.isRepairable(error) else { throw BufferError.cannotOpen(error) }
            try rebuild(after: error, knowing: nil)
        }
        try shrinkToCap()
    }

    /// Deletes what is settled, makes everything durable and closes. Further calls open the file again.
    package func close() {
        // What cannot be flushed is sent again by the next start.
        try? flush(synchronous: .full)
        store?.database.close()
        store = nil
    }

    package var runningEpoch: EpochID { books.epochs[books.running]?.id ?? .zero }

    /// What happened since the last call; at most `BufferLimits.incidentsMax`, the oldest win.
    package func takeIncidents() -> [BufferIncident] {
        defer { incidents = [] }
        return incidents
    }

    func report(_ incident: BufferIncident) {
        if incidents.count < BufferLimits.incidentsMax { incidents.append(incident) }
    }

    var nowMilliseconds: Int64 { Int64(clamping: time.monotonicNanoseconds / 1_000_000) }

    // MARK: Opening

    private func open() throws {
        let store = try RowStore(path: path)
        self.store = store
        do {
            if store.database.fileBytes <= BufferLimits.checkedBytesMax {
                if let finding = try store.database.quickCheck().first { throw store.damage("page (\(finding))") }
            }
            books = try Self.load(store)
            if store.database.fileBytes <= BufferLimits.checkedBytesMax { try reconcileAll(store) }
            dropBarrenEpochs()
            beginEpoch()
            try store.database.setPagesMax(pagesMax)
        } catch {
            store.database.close()
            self.store = nil
            throw error
        }
    }

    static func load(_ store: RowStore) throws(SQLiteError) -> Books {
        var books = Books()
        let epochs = try store.epochs()
        books.epochs = epochs.mapValues { Books.Epoch(id: $0.epoch, isClosed: $0.isClosed) }
        books.accounts = try store.accounts(epochs.mapValues { $0.epoch })
        books.auxiliaries = try store.auxiliaries()
        // Of one that was put again after damage, the successor.
        for (id, auxiliary) in books.auxiliaries.sorted(by: { $0.key < $1.key }) {
            books.auxiliaryIDs[auxiliary.name] = id
        }
        books.nextAuxiliary = (books.auxiliaries.keys.max() ?? 0) + 1
        return books
    }

    /// Draws the epoch that new rows belong to; it is stored with the first of them.
    func beginEpoch() {
        let ordinal = (books.epochs.keys.max() ?? 0) + 1
        books.epochs[ordinal] = Books.Epoch(id: EpochID(random: &generator), isSaved: false)
        books.running = ordinal
    }

    /// Epochs in which nothing was ever sequenced leave no trace.
    private func dropBarrenEpochs() {
        let used = Set(books.accounts.keys.map(\.ordinal))
        let newest = books.epochs.keys.max()
        for ordinal in books.epochs.keys where !used.contains(ordinal) && ordinal != newest {
            books.epochs[ordinal] = nil
        }
    }

    /// The store, opened anew if a rebuild could not.
    func opened() throws -> RowStore {
        if let store { return store }
        do {
            let store = try RowStore(path: path)
            try store.database.setPagesMax(min(pagesMax, fileLimitPages ?? .max))
            self.store = store
            return store
        } catch {
            throw BufferError.cannotOpen(Self.sqlite(error, path))
        }
    }

    // MARK: Sizes

    /// Pages that the main file may have.
    var pagesMax: Int {
        Int((configuration.bytesMax - BufferLimits.walBytesMax) / Int64(BufferLimits.pageSizeBytes))
    }
    var auxiliaryBytesMax: Int64 {
        min(BufferLimits.auxiliaryBytesMax, Int64(pagesMax) * Int64(BufferLimits.pageSizeBytes) / 4)
    }

    /// As if the disk had room for `pages` of the main file and no more; nil: as it is. For tests and the simulation.
    package func limitFile(pages: Int?) throws {
        fileLimitPages = pages
        try opened().database.setPagesMax(min(pagesMax, pages ?? .max))
    }

    /// Pages of the main file, and how many of them are free.
    package func filePages() throws -> (all: Int, free: Int) {
        try guarded { (try $0.pageCount, try $0.freePages) }
    }

    /// Pages that this connection has read from the file; for budgets.
    package func pagesRead() throws -> Int { try guarded { $0.database.pagesRead } }

    /// Bytes written since the file was opened: the WAL's frames, and a bound on what its checkpoints copied (each
    /// writes a page at most once); for budgets.
    package func bytesWritten() throws -> Int {
        try guarded { store in
            let pages = store.database.pagesWritten
            let checkpoints = pages * (BufferLimits.pageSizeBytes + 24) / BufferLimits.walCheckpointBytes
            return pages * (BufferLimits.pageSizeBytes + 24)
                + checkpoints * (try store.pageCount) * BufferLimits.pageSizeBytes
        }
    }

    /// Bytes of the database file and its WAL on disk.
    package var fileBytes: Int64 { Database.fileBytes(path) + Database.fileBytes(path + "-wal") }

    static func sqlite(_ error: any Error, _ path: String) -> SQLiteError {
        if let error = error as? SQLiteError { return error }
        return SQLiteError(
            extendedCode: SQLiteError.Code.error.rawValue, message: "\(error)", operation: "buffer \(path)")
    }

    /// Whether a new file would help: damage and schemas that are not ours, but not locks, rights or space.
    static func isRepairable(_ error: SQLiteError) -> Bool {
        if error.isDamage { return true }
        return error.code == .error || error.code == .constraint || error.code == .tooBig
    }
}
