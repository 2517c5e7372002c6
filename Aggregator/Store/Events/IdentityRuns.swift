import SQLite

/// Where each event id is, in `events.sqlite`: sorted runs, of which the newer and smaller ones are merged now and then.
///
///     identity_run  (id, count, bits, first, last)   first, last: ids of the batches that it names
///     identity_page (id, hashes, places)             id: run << 24 | page
///
/// `hash` is 63 bits of an id's, `place` a batch's id << 20 | position in it. A run's pages part it by the hash's first
/// `bits` bits, some ``pageEntries`` entries each; those of a page ascend by hash, of equal hashes the later place comes
/// first. Both columns are little-endian 64-bit numbers. Runs name disjoint, ascending batches, so the place that counts
/// is the highest whose event has the id; what was superseded, or named batches that are gone, goes when runs are merged.
///
/// A table with a row for each hash would be touched in nearly every page by each step that adds some thousand scattered
/// hashes: at six million events that was 0.9 kB written for an event, and four fifths of what filing it cost. Here each
/// entry is written when it comes and once more for each of ``classesMax`` merges at most.
struct IdentityRuns {
    /// On average.
    static let pageEntries = 512
    /// Neighbours of a class that are merged into one of the next.
    static let fanOut = 8
    /// Classes of size: below 2^15 entries, below 2^18, and so on. What is beyond the last is left as it is (256 MB).
    static let classesMax = 4

    struct Run: Equatable {
        var id: Int64
        var count: Int
        var bits: Int
        var batches: ClosedRange<Int64>

        func page(_ hash: UInt64) -> Int { bits == 0 ? 0 : Int(hash >> UInt64(63 - bits)) }
        /// 0 to ``classesMax``.
        var sizeClass: Int {
            let width = Int.bitWidth - count.leadingZeroBitCount
            return min(classesMax, max(0, (width - 13) / 3))
        }
    }
    struct Entry: Equatable {
        var hash: UInt64
        var place: Int64
    }

    static let schema = """
        CREATE TABLE identity_run(id INTEGER PRIMARY KEY, count INTEGER NOT NULL, bits INTEGER NOT NULL,
          first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
        CREATE TABLE identity_page(id INTEGER PRIMARY KEY, hashes BLOB NOT NULL, places BLOB NOT NULL) STRICT;
        """

    let database: Database

    /// The oldest batches first.
    func runs() throws -> [Run] {
        let select = try database.statement("SELECT id, count, bits, first, last FROM identity_run ORDER BY last")
        var runs: [Run] = []
        while try select.step() {
            let (first, last) = (select.integer(3), select.integer(4))
            runs.append(
                Run(
                    id: select.integer(0), count: Int(select.integer(1)), bits: Int(min(max(0, select.integer(2)), 24)),
                    batches: min(first, last)...last))
        }
        return runs
    }

    /// Looks hashes up in one run.
    /// - Parameters:
    ///   - hashes: ascending.
    ///   - found: gets the position in `hashes` and a place, for each place of a hash.
    /// - Complexity: the pages that the hashes fall into are read once each.
    func find(_ hashes: [UInt64], in run: Run, _ found: (Int, Int64) -> Void) throws {
        let select = try database.statement("SELECT hashes FROM identity_page WHERE id = ?1")
        var matches: [(position: Int, entry: Int)] = []
        var start = 0
        while start < hashes.count {
            let page = run.page(hashes[start])
            var end = start + 1
            while end < hashes.count, run.page(hashes[end]) == page { end += 1 }
            try select.bind(1, run.id << 24 | Int64(page))
            if try select.step() {
                select.withBlob(0) { Self.match(hashes, start..<end, $0, &matches) }
                select.reset()
            }
            if !matches.isEmpty {
                try places(run.id << 24 | Int64(page), matches, found)
                matches.removeAll(keepingCapacity: true)
            }
            start = end
        }
    }

    private static func match(
        _ hashes: [UInt64], _ range: Range<Int>, _ column: UnsafeRawBufferPointer,
        _ matches: inout [(position: Int, entry: Int)]
    ) {
        let count = column.count / 8
        var entry = 0
        for position in range {
            entry = lowerBound(of: hashes[position], in: column, from: entry)
            var match = entry
            while match < count, word(column, match) == hashes[position] {
                matches.append((position, match))
                match += 1
            }
        }
    }

    private func places(_ page: Int64, _ matches: [(position: Int, entry: Int)], _ found: (Int, Int64) -> Void) throws {
        let select = try database.statement("SELECT places FROM identity_page WHERE id = ?1")
        try select.bind(1, page)
        guard try select.step() else { return }
        select.withBlob(0) { column in
            for match in matches where match.entry < column.count / 8 {
                found(match.position, Int64(truncatingIfNeeded: Self.word(column, match.entry)))
            }
        }
        select.reset()
    }

    /// The first position from `start` on whose number is not below `hash`.
    private static func lowerBound(of hash: UInt64, in column: UnsafeRawBufferPointer, from start: Int) -> Int {
        var (low, high) = (start, column.count / 8)
        while low < high {
            let middle = (low + high) / 2
            if word(column, middle) < hash { low = middle + 1 } else { high = middle }
        }
        return low
    }

    static func word(_ column: UnsafeRawBufferPointer, _ index: Int) -> UInt64 {
        UInt64(littleEndian: column.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
    }

    // MARK: Writing

    /// Adds a run; its batches are newer than those of all others.
    /// - Parameter entries: ascending, as a page has them; not empty.
    func add(_ entries: [Entry]) throws {
        guard let first = entries.lazy.map({ $0.place >> 20 }).min(),
            let last = entries.lazy.map({ $0.place >> 20 }).max()
        else { return }
        var writer = try RunWriter(database, id: nextID(), expected: entries.count)
        for entry in entries { try writer.append(entry) }
        try writer.finish(first...last)
    }

    private func nextID() throws -> Int64 { (try database.integer("SELECT max(id) FROM identity_run") ?? 0) + 1 }

    /// Merges neighbours that have become many, in a transaction of its own.
    /// - Returns: false when there was nothing to do.
    func mergeOnce() throws -> Bool {
        try database.transaction {
            let runs = try runs()
            for sizeClass in 0..<Self.classesMax {
                let newest = runs.newest { $0.sizeClass <= sizeClass }
                guard newest.count >= Self.fanOut else { continue }
                try merge(Array(newest))
                return true
            }
            return false
        }
    }

    /// Writes runs anew of which more than half names batches that are gone.
    func trim() throws {
        try database.transaction {
            let events = try database.statement("SELECT total(count) FROM batch WHERE id BETWEEN ?1 AND ?2")
            for run in try runs() {
                try events.bind(1, run.batches.lowerBound)
                try events.bind(2, run.batches.upperBound)
                let live = Int(try events.firstInteger() ?? 0)
                if live == 0 || run.count > 2 * live + 4 * Self.pageEntries { try merge([run]) }
            }
        }
    }

    /// - Parameter merged: neighbours, the oldest first.
    private func merge(_ merged: [Run]) throws {
        guard let first = merged.lazy.map(\.batches.lowerBound).min(),
            let last = merged.lazy.map(\.batches.upperBound).max()
        else { return }
        let batches = first...last
        let isLive = try liveBatches(batches)
        var readers = try merged.map { try RunReader(database, $0) }
        let id = try nextID()
        var writer = try RunWriter(database, id: id, expected: merged.reduce(0) { $0 + $1.count })
        while let next = Self.next(of: readers) {
            if let entry = try readers[next].next(), isLive(entry.place >> 20) { try writer.append(entry) }
        }
        for run in merged { try remove(run) }
        try writer.finish(batches)
    }

    /// The reader whose entry comes first; nil when all have ended.
    private static func next(of readers: [RunReader]) -> Int? {
        var best: (index: Int, entry: Entry)?
        for index in readers.indices {
            guard let entry = readers[index].head else { continue }
            if let known = best?.entry, (known.hash, entry.place) < (entry.hash, known.place) || known == entry {
                continue
            }
            best = (index, entry)
        }
        return best?.index
    }

    private func liveBatches(_ range: ClosedRange<Int64>) throws -> (Int64) -> Bool {
        let select = try database.statement("SELECT id FROM batch WHERE id BETWEEN ?1 AND ?2 ORDER BY id")
        try select.bind(1, range.lowerBound)
        try select.bind(2, range.upperBound)
        var ids: [Int64] = []
        while try select.step() { ids.append(select.integer(0)) }
        guard let first = ids.first, let last = ids.last else { return { _ in false } }
        let isWithoutGaps = last &- first == Int64(ids.count - 1)
        let known = isWithoutGaps ? [] : Set(ids)
        return { isWithoutGaps ? (first...last).contains($0) : known.contains($0) }
    }

    private func remove(_ run: Run) throws {
        let pages = try database.statement("DELETE FROM identity_page WHERE id BETWEEN ?1 AND ?2")
        try pages.bind(1, run.id << 24)
        try pages.bind(2, run.id << 24 | 0xff_ffff)
        try pages.run()
        let row = try database.statement("DELETE FROM identity_run WHERE id = ?1")
        try row.bind(1, run.id)
        try row.run()
    }

    // MARK: Files of the first version

    /// Makes a run of the table that the first version kept, which had a row for each hash.
    func convert() throws {
        guard try database.integer("SELECT 1 FROM sqlite_master WHERE name = 'identity'") != nil else { return }
        try database.transaction {
            let count = try database.integer("SELECT count(*) FROM identity") ?? 0
            if count > 0, let first = try database.integer("SELECT min(place >> 20) FROM identity"),
                let last = try database.integer("SELECT max(place >> 20) FROM identity")
            {
                var writer = try RunWriter(database, id: nextID(), expected: Int(count))
                let select = try database.statement("SELECT hash, place FROM identity ORDER BY hash")
                while try select.step() {
                    try writer.append(
                        Entry(hash: UInt64(bitPattern: select.integer(0)) & (.max >> 1), place: select.integer(1)))
                }
                try writer.finish(first...last)
            }
            try database.execute("DROP TABLE identity")
        }
    }
}

extension [IdentityRuns.Run] {
    /// The last ones that all satisfy a condition.
    fileprivate func newest(_ isIn: (Element) -> Bool) -> ArraySlice<Element> {
        suffix(from: lastIndex { !isIn($0) }.map { $0 + 1 } ?? startIndex)
    }
}
