import RuntimeSupport
import SQLite
import Telemetry
import WireFormat

/// The buffer's tables and every SQL text that touches rows. It knows nothing of policy.
///
/// `rows` holds sealed batches; `state` a ledger per `LaneID`; `uses` how many rows name a table or key;
/// `losses` what is to be told to the aggregator; `parked` rows that it refused; `small` keyed values.
struct RowStore {
    let database: Database

    static let migrations = [
        Migration(
            """
            CREATE TABLE epochs(ordinal INTEGER PRIMARY KEY, epoch BLOB, closed INTEGER);
            CREATE TABLE rows(id INTEGER PRIMARY KEY, kind INTEGER, records INTEGER, size INTEGER, stored_at INTEGER,
                refs BLOB, checksum INTEGER, payload BLOB);
            CREATE TABLE state(id INTEGER PRIMARY KEY, value BLOB);
            CREATE TABLE uses(id INTEGER PRIMARY KEY, rows INTEGER);
            CREATE TABLE losses(id INTEGER PRIMARY KEY, lane INTEGER, first INTEGER, last INTEGER, batches INTEGER,
                records INTEGER, reason INTEGER);
            CREATE TABLE auxiliary(id INTEGER PRIMARY KEY, name BLOB, checksum INTEGER, payload BLOB);
            CREATE TABLE parked(id INTEGER PRIMARY KEY, row INTEGER, code INTEGER, parked_at INTEGER, size INTEGER,
                payload BLOB);
            CREATE TABLE small(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
            """)
    ]

    init(path: String, isExclusive: Bool = true) throws {
        database = try Database(
            path: path,
            configuration: DatabaseConfiguration(
                pageSizeBytes: BufferLimits.pageSizeBytes, cacheBytes: BufferLimits.cacheBytes, synchronous: .normal,
                busyTimeoutMilliseconds: 2000,
                walAutoCheckpointPages: Int32(BufferLimits.walCheckpointBytes / (BufferLimits.pageSizeBytes + 24)),
                journalSizeLimitBytes: Int64(BufferLimits.walCheckpointBytes), isExclusive: isExclusive))
        do {
            try database.migrate(Self.migrations)
        } catch {
            database.close()
            throw error
        }
    }

    // MARK: Rows

    func insert(_ row: RowMeta, payload: [UInt8]) throws {
        let insert = try database.statement("INSERT INTO rows VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
        try insert.bind(1, row.id)
        try insert.bind(2, Int64(row.kind.rawValue))
        try insert.bind(3, Int64(row.recordCount))
        try insert.bind(4, row.sizeBytes)
        try insert.bind(5, row.storedAt.milliseconds)
        try insert.bind(6, Self.encode(row.references))
        try insert.bind(7, Self.checksum(row, payload))
        // The array outlives the step.
        try payload.withUnsafeBytes { bytes in
            try insert.bind(8, borrowing: bytes)
            try insert.run()
        }
    }

    /// Rows of a range in order, without payloads.
    func metas(_ range: ClosedRange<Int64>, limit: Int, descending: Bool = false) throws(SQLiteError) -> [RowMeta] {
        let columns = "SELECT id, kind, records, size, stored_at, refs FROM rows WHERE id BETWEEN ?1 AND ?2 ORDER BY id"
        let select = try database.statement("\(columns) \(descending ? "DESC" : "ASC") LIMIT ?3")
        try select.bind(1, range.lowerBound)
        try select.bind(2, range.upperBound)
        try select.bind(3, limit)
        var found: [RowMeta] = []
        while try select.step() { found.append(Self.meta(select)) }
        return found
    }

    /// - Returns: nil when there is no such row; an empty payload when its checksum does not match.
    func row(_ id: Int64) throws(SQLiteError) -> (meta: RowMeta, payload: [UInt8], isIntact: Bool)? {
        let select = try database.statement(
            "SELECT id, kind, records, size, stored_at, refs, checksum, payload FROM rows WHERE id = ?1")
        try select.bind(1, id)
        guard try select.step() else { return nil }
        defer { select.reset() }
        let meta = Self.meta(select)
        let payload = select.blob(7)
        let isIntact = payload.count == meta.sizeBytes && select.integer(6) == Self.checksum(meta, payload)
        return (meta, isIntact ? payload : [], isIntact)
    }

    func hasRows(_ range: ClosedRange<Int64>) throws(SQLiteError) -> Bool {
        let select = try database.statement("SELECT 1 FROM rows WHERE id BETWEEN ?1 AND ?2 LIMIT 1")
        try select.bind(1, range.lowerBound)
        try select.bind(2, range.upperBound)
        return try select.firstInteger() != nil
    }

    func delete(_ range: ClosedRange<Int64>) throws(SQLiteError) {
        let delete = try database.statement("DELETE FROM rows WHERE id BETWEEN ?1 AND ?2")
        try delete.bind(1, range.lowerBound)
        try delete.bind(2, range.upperBound)
        try delete.run()
    }

    /// What a range really holds; reads every row's first page.
    func totals(_ range: ClosedRange<Int64>) throws(SQLiteError) -> (count: LedgerCount, bytes: UInt64, losses: UInt64)
    {
        let select = try database.statement(
            "SELECT count(*), total(records), total(size), total(kind = 6) FROM rows WHERE id BETWEEN ?1 AND ?2")
        try select.bind(1, range.lowerBound)
        try select.bind(2, range.upperBound)
        guard try select.step() else { return (LedgerCount(), 0, 0) }
        defer { select.reset() }
        let value = { (column: Int32) in UInt64(exactly: select.double(column).rounded()) ?? 0 }
        return (LedgerCount(batches: value(0), records: value(1)), value(2), value(3))
    }

    private static func meta(_ select: Statement) -> RowMeta {
        RowMeta(
            id: select.integer(0),
            // A damaged kind shows in the checksum when the payload is read.
            kind: UInt8(exactly: select.integer(1)).flatMap(BatchKind.init(rawValue:)) ?? .metrics,
            recordCount: UInt32(truncatingIfNeeded: select.integer(2)),
            sizeBytes: Int(max(0, min(select.integer(3), 1 << 30))),
            storedAt: Timestamp(milliseconds: select.integer(4)),
            references: select.withBlob(5) { bytes in
                (0..<min(bytes.count / 4, BufferLimits.tablesPerRowMax + 1)).map {
                    Int64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
                }
            })
    }

    private static func encode(_ references: [Int64]) -> [UInt8] {
        var writer = ByteWriter(reserving: references.count * 4)
        for reference in references { writer.write(littleEndian: UInt32(truncatingIfNeeded: reference)) }
        return writer.bytes
    }

    private static func checksum(_ row: RowMeta, _ payload: [UInt8]) -> Int64 {
        var sum = Checksum()
        sum.add(UInt64(bitPattern: row.id))
        sum.add(UInt64(row.kind.rawValue) << 32 | UInt64(row.recordCount))
        sum.add(UInt64(bitPattern: row.storedAt.milliseconds))
        for reference in row.references { sum.add(UInt64(bitPattern: reference)) }
        payload.withUnsafeBytes { sum.add($0) }
        return Int64(bitPattern: sum.value)
    }

    // MARK: Ledgers and epochs

    func save(_ account: LaneAccount, _ id: LaneID) throws(SQLiteError) {
        let save = try database.statement("INSERT OR REPLACE INTO state VALUES (?1, ?2)")
        try save.bind(1, id.rawValue)
        try save.bind(2, account.encoded(id))
        try save.run()
    }

    func saveEpoch(_ ordinal: Int64, _ epoch: EpochID, isClosed: Bool) throws(SQLiteError) {
        let save = try database.statement("INSERT OR REPLACE INTO epochs VALUES (?1, ?2, ?3)")
        try save.bind(1, ordinal)
        try save.bind(2, epoch.bytes)
        try save.bind(3, isClosed ? 1 : 0)
        try save.run()
    }

    func deleteEpoch(_ ordinal: Int64) throws(SQLiteError) {
        for text in ["DELETE FROM epochs WHERE ordinal = ?1", "DELETE FROM state WHERE id & 16777215 = ?1"] {
            let delete = try database.statement(text)
            try delete.bind(1, ordinal)
            try delete.run()
        }
    }

    /// - Throws: an error that is damage when an entry does not decode.
    func epochs() throws(SQLiteError) -> [Int64: (epoch: EpochID, isClosed: Bool)] {
        let select = try database.statement("SELECT ordinal, epoch, closed FROM epochs")
        var found: [Int64: (EpochID, Bool)] = [:]
        while try select.step() {
            guard let epoch = select.withBlob(1, { EpochID(bytes: $0) }) else {
                select.reset()
                throw damage("epoch")
            }
            found[select.integer(0)] = (epoch, select.integer(2) != 0)
        }
        return found
    }

    func accounts(_ epochs: [Int64: EpochID]) throws(SQLiteError) -> [LaneID: LaneAccount] {
        let select = try database.statement("SELECT id, value FROM state")
        var found: [LaneID: LaneAccount] = [:]
        while try select.step() {
            let id = LaneID(rawValue: select.integer(0))
            let epoch = id.ordinal == 0 ? EpochID.zero : epochs[id.ordinal]
            guard let lane = id.lane, let epoch,
                let account = select.withBlob(
                    1, { LaneAccount(key: LaneKey(epoch: epoch, lane: lane), id: id, encoded: $0) })
            else {
                select.reset()
                throw damage("ledger")
            }
            found[id] = account
        }
        return found
    }

    func damage(_ what: String) -> SQLiteError {
        SQLiteError(
            extendedCode: SQLiteError.Code.corrupt.rawValue, message: "a stored \(what) does not decode",
            operation: "read \(database.path)")
    }

    // MARK: Space

    var pageCount: Int { get throws(SQLiteError) { try database.pageCount } }
    var freePages: Int { get throws(SQLiteError) { try database.freePageCount } }
    /// Pages that a row takes, rounded up.
    static func pages(bytes: Int) -> Int { (bytes + 96) / (BufferLimits.pageSizeBytes - 4) + 2 }
}
