import SQLite
import Telemetry
import WireFormat

/// Files the event batches of one step within one transaction of `events.sqlite`: finds out which events are current,
/// which are history, and which were there already, and stores them with the places of their ids.
///
/// All ids of the step are sorted by hash once and looked up in ascending order. Where a hash is known, the batches
/// concerned are read in order, each once, to compare ids; only ids and revisions are looked at.
struct EventFiling {
    /// What becomes of an event.
    private enum Fate: UInt8 {
        case current, history
        /// The same id and revision is there.
        case known
    }
    private struct Key {
        var hash: UInt64
        /// Over all batches of the step.
        var ordinal: Int32
    }
    /// The event that a stored place names.
    private struct Stored {
        var place: Int64
        var revision: UInt32
    }

    private let database: Database
    private let identities: IdentityRuns
    private let batches: [EventStore.Incoming]
    /// The first ordinal of each batch, and the batch of each ordinal.
    private let starts: [Int]
    private let owners: [Int32]
    private var keys: [Key] = []
    private var fates: [Fate] = []
    /// By ordinal: what is there already, where something is.
    private var stored: [Int32: Stored] = [:]
    /// Positions in earlier batches that are superseded.
    private var superseded: [Int64: [Int]] = [:]

    init(_ batches: [EventStore.Incoming], _ database: Database) {
        self.database = database
        self.batches = batches
        identities = IdentityRuns(database: database)
        let count = batches.reduce(0) { $0 + $1.outline.count }
        var (starts, owners) = ([Int](), [Int32]())
        owners.reserveCapacity(count)
        for (index, batch) in batches.enumerated() {
            starts.append(owners.count)
            owners.append(contentsOf: repeatElement(Int32(index), count: batch.outline.count))
        }
        (self.starts, self.owners) = (starts, owners)
        fates = Array(repeating: .current, count: count)
        keys.reserveCapacity(count)
    }

    /// FNV-1a over the id's UTF-8, finished with SplitMix64's mixing; 63 bits, so never negative as a column.
    static func hash(_ id: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in id { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return (hash ^ (hash >> 31)) >> 1
    }

    /// - Returns: how many events became current.
    mutating func run() throws -> Int {
        for (batch, start) in zip(batches, starts) {
            for position in 0..<batch.outline.count {
                keys.append(Key(hash: Self.hash(batch.outline.id(position)), ordinal: Int32(start + position)))
            }
        }
        keys.sort { $0.hash == $1.hash ? $0.ordinal < $1.ordinal : $0.hash < $1.hash }
        try lookUp()
        decide()
        let places = try store()
        try markSuperseded()
        let entries = entries(places)
        try identities.add(entries)
        return entries.count
    }

    // MARK: What is there

    private mutating func lookUp() throws {
        let hashes = keys.map(\.hash)
        var hits: [(ordinal: Int32, place: Int64)] = []
        for run in try identities.runs() {
            try identities.find(hashes, in: run) { position, place in hits.append((keys[position].ordinal, place)) }
        }
        hits.sort { $0.place < $1.place }
        var batch: (id: Int64, outline: EventOutline?) = (0, nil)
        for (ordinal, place) in hits {
            if batch.id != place >> 20 { batch = (place >> 20, try outline(of: place >> 20)) }
            let position = Int(place & 0xf_ffff)
            // A batch that is gone or damaged: its ids are free again.
            guard let held = batch.outline, position < held.count, held.id(position) == id(ordinal) else { continue }
            // Of several the one stored last counts.
            stored[ordinal] = Stored(place: place, revision: held.revision(position))
        }
    }

    private func outline(of batch: Int64) throws -> EventOutline? {
        try EventStore.body(of: batch, in: database).flatMap { try? StoreCodec.outline($0) }
    }

    private func batch(of ordinal: Int32) -> Int { Int(owners[Int(ordinal)]) }

    private func id(_ ordinal: Int32) -> ArraySlice<UInt8> {
        let batch = batch(of: ordinal)
        return batches[batch].outline.id(Int(ordinal) - starts[batch])
    }

    private func revision(_ ordinal: Int32) -> UInt32 {
        let batch = batch(of: ordinal)
        return batches[batch].outline.revision(Int(ordinal) - starts[batch])
    }

    // MARK: Deciding

    private mutating func decide() {
        var start = 0
        while start < keys.count {
            var end = start + 1
            while end < keys.count, keys[end].hash == keys[start].hash { end += 1 }
            if end - start > 1 || !stored.isEmpty && stored[keys[start].ordinal] != nil { decide(start..<end) }
            start = end
        }
    }

    /// Events whose ids have one hash, in the order of their arrival. The same id and revision again is left out; a
    /// lower revision is history; a higher one supersedes.
    private mutating func decide(_ range: Range<Int>) {
        var currents: [Int32] = []
        for key in keys[range] {
            let ordinal = key.ordinal
            let revision = revision(ordinal)
            let own = currents.firstIndex { id($0) == id(ordinal) }
            guard let other = own.map({ self.revision(currents[$0]) }) ?? stored[ordinal]?.revision else {
                currents.append(ordinal)
                continue
            }
            guard revision > other else {
                fates[Int(ordinal)] = revision == other ? .known : .history
                continue
            }
            if let own {
                fates[Int(currents[own])] = .history
                currents[own] = ordinal
            } else if let place = stored[ordinal]?.place {
                superseded[place >> 20, default: []].append(Int(place & 0xf_ffff))
                currents.append(ordinal)
            }
        }
    }

    // MARK: Storing

    /// Where a batch went: its id, and how many of its events were left out before each, where any were.
    private struct Kept {
        var id: Int64
        var leftOut: [Int32]
    }

    private func store() throws -> [Kept?] {
        var next = (try database.integer("SELECT max(id) FROM batch") ?? 0) + 1
        var kept: [Kept?] = []
        for (index, batch) in batches.enumerated() {
            let own = fates[starts[index]..<starts[index] + batch.outline.count]
            guard own.contains(where: { $0 != .known }) else {
                kept.append(nil)
                continue
            }
            var (stored, leftOut) = (batch, [Int32]())
            if own.contains(.known), let rest = try? without(.known, batch, own) {
                var count: Int32 = 0
                for fate in own {
                    leftOut.append(count)
                    if fate == .known { count += 1 }
                }
                stored = rest
            }
            var dead: [UInt8] = []
            for (position, fate) in own.enumerated() where fate != .current {
                // What could not be left out, since the block is damaged, is not current either.
                if leftOut.isEmpty {
                    EventStore.set(position, in: &dead)
                } else if fate == .history {
                    EventStore.set(position - Int(leftOut[position]), in: &dead)
                }
            }
            try insert(stored, next, dead)
            kept.append(Kept(id: next, leftOut: leftOut))
            next += 1
        }
        return kept
    }

    private func without(
        _ fate: Fate, _ batch: EventStore.Incoming, _ fates: ArraySlice<Fate>
    ) throws -> EventStore.Incoming {
        try EventStore.Incoming(
            zip(try StoreCodec.decodeEvents(batch.body), fates).filter { $0.1 != fate }.map(\.0))
    }

    private func insert(_ incoming: EventStore.Incoming, _ batch: Int64, _ dead: [UInt8]) throws {
        let times = incoming.outline.times ?? 0...0
        let row = try database.statement(
            "INSERT INTO batch(id, first, last, count, kinds, dead) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        try row.bind(1, batch)
        try row.bind(2, times.lowerBound)
        try row.bind(3, times.upperBound)
        try row.bind(4, incoming.outline.count)
        try row.bind(5, incoming.outline.kinds)
        if dead.isEmpty { try row.bindNull(6) } else { try row.bind(6, dead) }
        try row.run()
        let body = try database.statement("INSERT INTO body(id, body) VALUES (?1, ?2)")
        try body.bind(1, batch)
        try incoming.body.withUnsafeBytes { bytes in
            try body.bind(2, borrowing: bytes)
            try body.run()
        }
    }

    private func markSuperseded() throws {
        let find = try database.statement("SELECT dead FROM batch WHERE id = ?1")
        let update = try database.statement("UPDATE batch SET dead = ?2 WHERE id = ?1")
        for (batch, positions) in superseded {
            try find.bind(1, batch)
            guard try find.step() else { continue }
            var bits = find.blob(0)
            find.reset()
            for position in positions { EventStore.set(position, in: &bits) }
            try update.bind(1, batch)
            try update.bind(2, bits)
            try update.run()
        }
    }

    /// Of the events that are current, as a page has them.
    private func entries(_ places: [Kept?]) -> [IdentityRuns.Entry] {
        var entries: [IdentityRuns.Entry] = []
        entries.reserveCapacity(keys.count)
        for key in keys where fates[Int(key.ordinal)] == .current {
            let batch = batch(of: key.ordinal)
            guard let kept = places[batch] else { continue }
            var position = Int(key.ordinal) - starts[batch]
            if !kept.leftOut.isEmpty { position -= Int(kept.leftOut[position]) }
            let entry = IdentityRuns.Entry(hash: key.hash, place: kept.id << 20 | Int64(position))
            // Keys of one hash ascend by arrival; the latest place comes first.
            var index = entries.count
            while index > 0, entries[index - 1].hash == entry.hash { index -= 1 }
            if index == entries.count { entries.append(entry) } else { entries.insert(entry, at: index) }
        }
        return entries
    }
}
