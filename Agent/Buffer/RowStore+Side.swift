import SQLite
import Telemetry
import WireFormat

/// A loss as it waits on disk.
struct StoredLoss {
    var row: Int64 = 0
    var lane: LaneID
    var sequences: ClosedRange<UInt64>
    var count: LedgerCount
    var reason: LossReason
}

/// The tables beside `rows`: losses, tables and keys, refused rows, keyed values.
extension RowStore {
    // MARK: Losses

    /// Adds a loss, growing the record before it when they touch.
    ///
    /// A record may have holes: sequences that were settled before it. What another record tells is no such hole: of
    /// two records that the aggregator gets in either order, the first would count what the second tells as well.
    /// - Parameter bridgesHoles: grows the record before it also when neither a row nor a record lies between the two;
    ///   what lies there may still be in a loss batch on its way.
    func record(_ loss: StoredLoss, bridgesHoles: Bool = false) throws(SQLiteError) {
        let find = try database.statement(
            """
            SELECT id, last FROM losses WHERE lane = ?1 AND reason = ?2 AND last < ?3 ORDER BY last DESC LIMIT 1
            """)
        try find.bind(1, loss.lane.rawValue)
        try find.bind(2, Int64(loss.reason.rawValue))
        try find.bind(3, Int64(loss.sequences.lowerBound))
        if try find.step() {
            let (row, last) = (find.integer(0), UInt64(max(0, find.integer(1))))
            find.reset()
            let first = loss.sequences.lowerBound
            var isNeighbour = last + 1 >= first
            if !isNeighbour, bridgesHoles {
                let hole = last + 1...first - 1
                isNeighbour = try !hasRows(loss.lane.rows(hole))
                if isNeighbour { isNeighbour = try !hasLosses(loss.lane, within: hole) }
            }
            if isNeighbour {
                let grow = try database.statement(
                    "UPDATE losses SET last = ?2, batches = batches + ?3, records = records + ?4 WHERE id = ?1")
                try grow.bind(1, row)
                try grow.bind(2, Int64(loss.sequences.upperBound))
                try grow.bind(3, Int64(clamping: loss.count.batches))
                try grow.bind(4, Int64(clamping: loss.count.records))
                return try grow.run()
            }
        }
        let insert = try database.statement(
            "INSERT INTO losses(lane, first, last, batches, records, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        try insert.bind(1, loss.lane.rawValue)
        try insert.bind(2, Int64(loss.sequences.lowerBound))
        try insert.bind(3, Int64(loss.sequences.upperBound))
        try insert.bind(4, Int64(clamping: loss.count.batches))
        try insert.bind(5, Int64(clamping: loss.count.records))
        try insert.bind(6, Int64(loss.reason.rawValue))
        try insert.run()
    }

    /// The oldest records.
    func losses(limit: Int) throws(SQLiteError) -> [StoredLoss] {
        let select = try database.statement(
            "SELECT id, lane, first, last, batches, records, reason FROM losses ORDER BY id LIMIT ?1")
        try select.bind(1, limit)
        var found: [StoredLoss] = []
        while try select.step() {
            let (first, last) = (UInt64(max(1, select.integer(2))), UInt64(max(1, select.integer(3))))
            guard let reason = UInt8(exactly: select.integer(6)).flatMap(LossReason.init(rawValue:)) else { continue }
            let count = LedgerCount(
                batches: UInt64(max(0, select.integer(4))), records: UInt64(max(0, select.integer(5))))
            found.append(
                StoredLoss(
                    row: select.integer(0), lane: LaneID(rawValue: select.integer(1)),
                    sequences: first...max(first, last), count: count, reason: reason))
        }
        return found
    }

    func deleteLoss(_ row: Int64) throws(SQLiteError) {
        let delete = try database.statement("DELETE FROM losses WHERE id = ?1")
        try delete.bind(1, row)
        try delete.run()
    }

    func lossCount() throws(SQLiteError) -> Int {
        Int(try database.statement("SELECT count(*) FROM losses").firstInteger() ?? 0)
    }

    private func hasLosses(_ lane: LaneID, within sequences: ClosedRange<UInt64>) throws(SQLiteError) -> Bool {
        let select = try database.statement(
            "SELECT 1 FROM losses WHERE lane = ?1 AND last >= ?2 AND first <= ?3 LIMIT 1")
        try select.bind(1, lane.rawValue)
        try select.bind(2, Int64(clamping: sequences.lowerBound))
        try select.bind(3, Int64(clamping: sequences.upperBound))
        return try select.firstInteger() != nil
    }

    func hasLosses(ordinal: Int64) throws(SQLiteError) -> Bool {
        let select = try database.statement("SELECT 1 FROM losses WHERE lane & 16777215 = ?1 LIMIT 1")
        try select.bind(1, ordinal)
        return try select.firstInteger() != nil
    }

    // MARK: Tables and keys

    func insert(auxiliary id: Int64, _ name: AuxiliaryName, _ payload: [UInt8]) throws(SQLiteError) {
        let insert = try database.statement("INSERT OR REPLACE INTO auxiliary VALUES (?1, ?2, ?3, ?4)")
        try insert.bind(1, id)
        try insert.bind(2, name.bytes)
        try insert.bind(3, payload.withUnsafeBytes { Checksum.of($0, UInt64(bitPattern: id)) })
        try insert.bind(4, payload)
        try insert.run()
    }

    /// - Returns: nil when it is missing or damaged.
    func auxiliary(_ id: Int64) throws(SQLiteError) -> [UInt8]? {
        let select = try database.statement("SELECT checksum, payload FROM auxiliary WHERE id = ?1")
        try select.bind(1, id)
        guard try select.step() else { return nil }
        defer { select.reset() }
        let isIntact = select.withBlob(1) { Checksum.of($0, UInt64(bitPattern: id)) } == select.integer(0)
        return isIntact ? select.blob(1) : nil
    }

    func auxiliaries() throws(SQLiteError) -> [Int64: Auxiliary] {
        let select = try database.statement(
            """
            SELECT a.id, a.name, length(a.payload), ifnull(u.rows, 0), substr(a.payload, 1, ?1)
            FROM auxiliary a LEFT JOIN uses u ON u.id = a.id
            """)
        try select.bind(1, Auxiliary.headerBytes)
        var found: [Int64: Auxiliary] = [:]
        while try select.step() {
            guard let name = AuxiliaryName(bytes: select.blob(1)) else {
                select.reset()
                throw damage("name of a table or key")
            }
            found[select.integer(0)] = Auxiliary(
                name: name, payload: select.blob(4), sizeBytes: select.integer(2), rows: max(0, select.integer(3)))
        }
        return found
    }

    func saveUses(_ id: Int64, _ rows: Int64) throws(SQLiteError) {
        let save = try database.statement("INSERT OR REPLACE INTO uses VALUES (?1, ?2)")
        try save.bind(1, id)
        try save.bind(2, rows)
        try save.run()
    }

    func delete(auxiliary id: Int64) throws(SQLiteError) {
        for text in ["DELETE FROM auxiliary WHERE id = ?1", "DELETE FROM uses WHERE id = ?1"] {
            let delete = try database.statement(text)
            try delete.bind(1, id)
            try delete.run()
        }
    }

    // MARK: Refused rows

    func park(_ row: Int64, _ code: RejectionCode, at now: Timestamp, size: Int) throws(SQLiteError) {
        let park = try database.statement(
            """
            INSERT INTO parked(row, code, parked_at, size, payload) SELECT id, ?2, ?3, ?4, payload FROM rows WHERE id = ?1
            """)
        try park.bind(1, row)
        try park.bind(2, Int64(code.rawValue))
        try park.bind(3, now.milliseconds)
        try park.bind(4, size)
        try park.run()
    }

    /// Removes what is older than `oldest`, then the oldest until at most `bytes` are left.
    func trimParked(before oldest: Timestamp, toBytes bytes: Int64) throws(SQLiteError) {
        let expire = try database.statement("DELETE FROM parked WHERE parked_at < ?1")
        try expire.bind(1, oldest.milliseconds)
        try expire.run()
        while try parkedBytes() > bytes {
            try database.statement("DELETE FROM parked WHERE id = (SELECT min(id) FROM parked)").run()
        }
    }

    func parkedBytes() throws(SQLiteError) -> Int64 {
        try database.statement("SELECT ifnull(sum(size), 0) FROM parked").firstInteger() ?? 0
    }

    func oldestParked() throws(SQLiteError) -> Timestamp? {
        try database.statement("SELECT min(parked_at) FROM parked").firstInteger().map(Timestamp.init(milliseconds:))
    }

    func parked(limit: Int) throws(SQLiteError) -> [(row: Int64, code: RejectionCode?, at: Timestamp, payload: [UInt8])]
    {
        let select = try database.statement(
            "SELECT row, code, parked_at, payload FROM parked ORDER BY id DESC LIMIT ?1")
        try select.bind(1, limit)
        var found: [(Int64, RejectionCode?, Timestamp, [UInt8])] = []
        while try select.step() {
            let code = UInt8(exactly: select.integer(1)).flatMap(RejectionCode.init(rawValue:))
            found.append((select.integer(0), code, Timestamp(milliseconds: select.integer(2)), select.blob(3)))
        }
        return found
    }

    // MARK: Keyed values

    func value(_ key: String) throws(SQLiteError) -> [UInt8]? {
        let select = try database.statement("SELECT value FROM small WHERE key = ?1")
        try select.bind(1, key)
        guard try select.step() else { return nil }
        defer { select.reset() }
        return select.blob(0)
    }

    func setValue(_ key: String, _ value: [UInt8]?) throws(SQLiteError) {
        guard let value else {
            let delete = try database.statement("DELETE FROM small WHERE key = ?1")
            try delete.bind(1, key)
            return try delete.run()
        }
        let save = try database.statement("INSERT OR REPLACE INTO small VALUES (?1, ?2)")
        try save.bind(1, key)
        try save.bind(2, value)
        try save.run()
    }

    func values() throws(SQLiteError) -> [String: [UInt8]] {
        let select = try database.statement("SELECT key, value FROM small LIMIT ?1")
        try select.bind(1, BufferLimits.valueCountMax)
        var found: [String: [UInt8]] = [:]
        while try select.step() { found[select.text(0)] = select.blob(1) }
        return found
    }
}
