import SQLite

/// Writes a run of identities, page by page.
struct RunWriter {
    private let insert: Statement
    private let database: Database
    private let run: IdentityRuns.Run
    private var count = 0
    private var page = 0
    private var last: UInt64 = 0
    /// Of the page, as it is stored.
    private var hashes: [UInt64] = []
    private var places: [Int64] = []

    /// - Parameter expected: how many entries will come, about; the size of pages follows from it.
    init(_ database: Database, id: Int64, expected: Int) throws {
        self.database = database
        let width = Int.bitWidth - max(0, expected).leadingZeroBitCount
        let bits = min(24, max(0, width - IdentityRuns.pageEntries.trailingZeroBitCount))
        run = IdentityRuns.Run(id: id, count: 0, bits: bits, batches: 0...0)
        insert = try database.statement("INSERT INTO identity_page(id, hashes, places) VALUES (?1, ?2, ?3)")
        hashes.reserveCapacity(2 * IdentityRuns.pageEntries)
        places.reserveCapacity(2 * IdentityRuns.pageEntries)
    }

    /// An entry out of order, which only damage can have brought, is left out: its event counts as new once more.
    mutating func append(_ entry: IdentityRuns.Entry) throws {
        guard entry.hash >= last, entry.hash <= .max >> 1 else { return }
        last = entry.hash
        let next = run.page(entry.hash)
        if next != page {
            try flush()
            page = next
        }
        hashes.append(entry.hash.littleEndian)
        places.append(entry.place.littleEndian)
        count += 1
    }

    private mutating func flush() throws {
        guard !hashes.isEmpty else { return }
        try insert.bind(1, run.id << 24 | Int64(page))
        try hashes.withUnsafeBytes { hashes in
            try places.withUnsafeBytes { places in
                try insert.bind(2, borrowing: hashes)
                try insert.bind(3, borrowing: places)
                try insert.run()
            }
        }
        hashes.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
    }

    /// - Parameter batches: all that the entries name lie within.
    mutating func finish(_ batches: ClosedRange<Int64>) throws {
        try flush()
        guard count > 0 else { return }
        let row = try database.statement(
            "INSERT INTO identity_run(id, count, bits, first, last) VALUES (?1, ?2, ?3, ?4, ?5)")
        try row.bind(1, run.id)
        try row.bind(2, count)
        try row.bind(3, run.bits)
        try row.bind(4, batches.lowerBound)
        try row.bind(5, batches.upperBound)
        try row.run()
    }
}

/// Reads a run of identities from its begin to its end, holding one page.
struct RunReader {
    private let select: Statement
    private let run: IdentityRuns.Run
    private var nextPage: Int64
    private var page: [IdentityRuns.Entry] = []
    private var position = 0

    /// The entry that comes next; nil at the end.
    var head: IdentityRuns.Entry? { position < page.count ? page[position] : nil }

    init(_ database: Database, _ run: IdentityRuns.Run) throws {
        self.run = run
        nextPage = run.id << 24
        select = try database.statement(
            "SELECT id, hashes, places FROM identity_page WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1")
        try load()
    }

    mutating func next() throws -> IdentityRuns.Entry? {
        guard let entry = head else { return nil }
        position += 1
        if position == page.count { try load() }
        return entry
    }

    private mutating func load() throws {
        page.removeAll(keepingCapacity: true)
        position = 0
        while page.isEmpty {
            try select.bind(1, nextPage)
            try select.bind(2, run.id << 24 | 0xff_ffff)
            guard try select.step() else { return }
            nextPage = select.integer(0) + 1
            select.withBlob(1) { hashes in
                select.withBlob(2) { places in
                    for index in 0..<min(hashes.count, places.count) / 8 {
                        page.append(
                            IdentityRuns.Entry(
                                hash: IdentityRuns.word(hashes, index),
                                place: Int64(truncatingIfNeeded: IdentityRuns.word(places, index))))
                    }
                }
            }
            select.reset()
        }
    }
}
