import Ingest
import SQLite
import Telemetry
import WireFormat

/// `ingest.sqlite`: level 0, dedup, tables, losses, parked payloads and the fleet of one tenant, in one file
/// since a transaction is atomic within one file only.
///
///     block  (id, agent, kind, state, lane, epoch, sequence, first, last, records, received, boot, monotonic, shift, body)
///            state 0 normal, 1 quarantined, 2 does not decode; shift: milliseconds to add to its timestamps
///     tables (id, agent, hash, encoded, ids)   ids: the series ids in the table's order, as delta zigzag varints
///     item   (kind, key, value)                everything small: see ``Item``
///     finding, finding_out, family             see ``FindingTable``, ``FindingOutbox``, ``FamilyTable``
///
/// Block ids grow and are never used again, also after every row is gone: day files name them to tell what they hold.
struct IngestFile {
    static let migrations = [
        Migration(
            """
            CREATE TABLE block(id INTEGER PRIMARY KEY, agent INTEGER NOT NULL, kind INTEGER NOT NULL,
              state INTEGER NOT NULL, lane INTEGER NOT NULL, epoch BLOB NOT NULL, sequence INTEGER NOT NULL,
              first INTEGER NOT NULL, last INTEGER NOT NULL, records INTEGER NOT NULL, received INTEGER NOT NULL,
              boot BLOB, monotonic INTEGER, shift INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
            CREATE TABLE tables(id INTEGER PRIMARY KEY, agent INTEGER NOT NULL, hash BLOB NOT NULL,
              encoded BLOB NOT NULL, ids BLOB NOT NULL, used INTEGER NOT NULL) STRICT;
            CREATE TABLE item(kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
              PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;
            """),
        FindingTable.migration,
        FindingTable.originMigration,
        FindingTable.nodeMigration,
        FindingOutbox.migration,
        FamilyTable.migration,
    ]

    /// Kinds of rows in `item`. Numbers stay.
    enum Item: Int64 {
        /// Key `generation`: 16 random bytes of this file; `nextBlock`: ids below may have been used.
        case meta = 1
        /// Key: agent number (u32, big-endian); value: name, 0x0A, then `name=value` lines of its labels.
        case agent = 2
        /// Key: agent number, epoch, lane; value: ``StateCodec``.
        case dedup = 3
        /// Key: agent number; value: ``StateCodec``.
        case fleet = 4
        /// Key: time (u64, big-endian), counter; value: ``GapCodec``.
        case gap = 5
        /// Key: time, counter; value: ``ParkedCodec``.
        case parked = 6
        /// Values of the kinds above that did not decode, kept for inspection. Key: the kind (u8), its key.
        case damaged = 7
    }

    enum BlockState: Int64 { case normal = 0, quarantined = 1, damaged = 2 }

    /// The WAL stays as large as it gets before a checkpoint, 16 MiB: cut back, its blocks would have to be taken anew.
    static func configuration(cacheBytes: Int = 4 << 20) -> DatabaseConfiguration {
        DatabaseConfiguration(
            autoVacuum: .incremental, cacheBytes: cacheBytes, synchronous: .full, walAutoCheckpointPages: 4096,
            journalSizeLimitBytes: 20 << 20)
    }
}

/// A level-0 row without its body.
struct BlockRow: Sendable {
    var id: Int64
    var agent: AgentNumber
    var kind: BatchKind
    var state: IngestFile.BlockState
    var key: BatchKey
    var first: Int64
    var last: Int64
    var records: UInt32
    var receivedAt: Int64
    var bodyBytes: Int
    var shift: Int64

    /// The corrected time of its samples; nil when samples cannot have it: then the row is damaged, or was shifted by
    /// a clock that is.
    var range: ClosedRange<Int64>? { Self.range(first, last, shift: shift) }

    static func range(_ first: Int64, _ last: Int64, shift: Int64) -> ClosedRange<Int64>? {
        let (start, startsBeyond) = first.addingReportingOverflow(shift)
        let (end, endsBeyond) = last.addingReportingOverflow(shift)
        let possible = -StoreLimits.timeMillisecondsMax...StoreLimits.timeMillisecondsMax
        guard !startsBeyond, !endsBeyond, start <= end, possible.contains(start), possible.contains(end) else {
            return nil
        }
        return start...end
    }
}

// MARK: Statements

extension IngestFile {
    static func put(_ kind: Item, _ key: [UInt8], _ value: [UInt8], in database: Database) throws {
        let statement = try database.statement("INSERT OR REPLACE INTO item(kind, key, value) VALUES (?1, ?2, ?3)")
        try statement.bind(1, kind.rawValue)
        try statement.bind(2, key)
        try statement.bind(3, value)
        try statement.run()
    }

    static func remove(_ kind: Item, _ key: [UInt8], in database: Database) throws {
        let statement = try database.statement("DELETE FROM item WHERE kind = ?1 AND key = ?2")
        try statement.bind(1, kind.rawValue)
        try statement.bind(2, key)
        try statement.run()
    }

    static func value(_ kind: Item, _ key: [UInt8], in database: Database) throws -> [UInt8]? {
        let statement = try database.statement("SELECT value FROM item WHERE kind = ?1 AND key = ?2")
        try statement.bind(1, kind.rawValue)
        try statement.bind(2, key)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return statement.blob(0)
    }

    /// All items of a kind, ascending by key.
    static func items(_ kind: Item, in database: Database) throws -> [(key: [UInt8], value: [UInt8])] {
        let statement = try database.statement("SELECT key, value FROM item WHERE kind = ?1 ORDER BY key")
        try statement.bind(1, kind.rawValue)
        var found: [(key: [UInt8], value: [UInt8])] = []
        while try statement.step() { found.append((statement.blob(0), statement.blob(1))) }
        return found
    }

    static func insert(_ block: IngestCommit.Block, id: Int64, agent: AgentNumber, in database: Database) throws {
        let statement = try database.statement(
            """
            INSERT INTO block(id, agent, kind, state, lane, epoch, sequence, first, last, records, received, boot,
              monotonic, shift, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14)
            """)
        let header = block.header
        try statement.bind(1, id)
        try statement.bind(2, Int64(agent))
        try statement.bind(3, Int64(header.kind.rawValue))
        try statement.bind(4, (block.isQuarantined ? BlockState.quarantined : .normal).rawValue)
        try statement.bind(5, Int64(header.lane.rawValue))
        try statement.bind(6, header.epoch.bytes)
        try statement.bind(7, Int64(bitPattern: header.sequence))
        let range = timeRange(of: block)
        try statement.bind(8, range.lowerBound)
        try statement.bind(9, range.upperBound)
        try statement.bind(10, Int64(header.recordCount))
        try statement.bind(11, block.receivedAt.milliseconds)
        if block.isQuarantined {
            try statement.bind(12, header.clock.bootID.bytes)
            try statement.bind(13, Int64(bitPattern: header.clock.monotonicNanoseconds))
        } else {
            try statement.bindNull(12)
            try statement.bindNull(13)
        }
        try block.body.withUnsafeBytes { body in
            try statement.bind(14, borrowing: body)
            try statement.run()
        }
    }

    /// From the content, since a header only claims.
    static func timeRange(of block: IngestCommit.Block) -> ClosedRange<Int64> {
        switch block.content {
        case .metrics(let metrics): return metrics.times ?? 0...0
        case .events, .findings, .metadata:
            let first = block.header.firstTimestamp.milliseconds
            return first...max(first, block.header.lastTimestamp.milliseconds)
        }
    }

    private static let rowColumns =
        "id, agent, kind, state, lane, epoch, sequence, first, last, records, received, length(body), shift"

    private static func row(_ statement: Statement) -> BlockRow? {
        guard let kind = BatchKind(rawValue: UInt8(truncatingIfNeeded: statement.integer(2))),
            let state = BlockState(rawValue: statement.integer(3)),
            let lane = Lane(rawValue: UInt8(truncatingIfNeeded: statement.integer(4))),
            let epoch = EpochID(bytes: statement.blob(5))
        else { return nil }
        return BlockRow(
            id: statement.integer(0), agent: AgentNumber(truncatingIfNeeded: statement.integer(1)), kind: kind,
            state: state,
            key: BatchKey(epoch: epoch, lane: lane, sequence: UInt64(bitPattern: statement.integer(6))),
            first: statement.integer(7), last: statement.integer(8),
            records: UInt32(truncatingIfNeeded: statement.integer(9)), receivedAt: statement.integer(10),
            bodyBytes: Int(statement.integer(11)), shift: statement.integer(12))
    }

    /// Every row in the order of commit. Rows that make no sense are left out.
    static func rows(in database: Database) throws -> [BlockRow] {
        let statement = try database.statement("SELECT \(rowColumns) FROM block ORDER BY id")
        var found: [BlockRow] = []
        while try statement.step() { if let row = row(statement) { found.append(row) } }
        return found
    }

    static func row(of id: Int64, in database: Database) throws -> BlockRow? {
        let statement = try database.statement("SELECT \(rowColumns) FROM block WHERE id = ?1")
        try statement.bind(1, id)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return row(statement)
    }

    static func body(of id: Int64, in database: Database) throws -> [UInt8]? {
        let statement = try database.statement("SELECT body FROM block WHERE id = ?1")
        try statement.bind(1, id)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return statement.blob(0)
    }

    static func delete(_ ids: [Int64], in database: Database) throws {
        let statement = try database.statement("DELETE FROM block WHERE id = ?1")
        for id in ids {
            try statement.bind(1, id)
            try statement.run()
        }
    }

    static func set(_ state: BlockState, shift: Int64, of id: Int64, in database: Database) throws {
        let statement = try database.statement("UPDATE block SET state = ?2, shift = ?3 WHERE id = ?1")
        try statement.bind(1, id)
        try statement.bind(2, state.rawValue)
        try statement.bind(3, shift)
        try statement.run()
    }

    /// Quarantined rows, oldest first, with the boot and the monotonic clock that stamped them.
    static func quarantined(
        in database: Database
    ) throws -> [(row: BlockRow, boot: ID128, monotonicNanoseconds: UInt64)] {
        let statement = try database.statement(
            "SELECT \(rowColumns), boot, monotonic FROM block WHERE state = 1 ORDER BY id")
        var found: [(row: BlockRow, boot: ID128, monotonicNanoseconds: UInt64)] = []
        while try statement.step() {
            guard let row = row(statement), let boot = ID128(bytes: statement.blob(13)) else { continue }
            found.append((row, boot, UInt64(bitPattern: statement.integer(14))))
        }
        return found
    }
}

// MARK: Keys

extension IngestFile {
    static func key(_ agent: AgentNumber) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: agent >> (24 - 8 * $0)) }
    }
    static func agentNumber(_ key: some Collection<UInt8>) -> AgentNumber {
        key.prefix(4).reduce(0) { $0 << 8 | AgentNumber($1) }
    }
    static func key(_ agent: AgentNumber, _ lane: LaneKey) -> [UInt8] {
        key(agent) + lane.epoch.bytes + [lane.lane.rawValue]
    }
    static func laneKey(_ key: [UInt8]) -> LaneKey? {
        guard key.count == 21, let epoch = EpochID(bytes: key[4..<20]), let lane = Lane(rawValue: key[20]) else {
            return nil
        }
        return LaneKey(epoch: epoch, lane: lane)
    }
    static func key(_ time: Timestamp, _ counter: UInt64) -> [UInt8] {
        let shifted = UInt64(bitPattern: time.milliseconds) ^ (1 << 63)
        return [shifted, counter].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
        }
    }
}
