import Telemetry

/// The level-0 blocks of one agent in a time range, decoded: what the readers of one query share.
///
/// Memory: 8 B per sample of what was received in the last minutes and lies in range.
final class ListedBlocks: Sendable {
    struct Group: Sendable {
        let block: Int64
        let group: MetricBatch.Group
        let set: Int
        /// Milliseconds to add to the group's times.
        let shift: Int64
        /// Indexes of the samples in range; not empty.
        let kept: Range<Int>
        /// The last time in range, shifted.
        let last: Int64
    }

    /// In the order of commit.
    let groups: [Group]
    let sets: [TableSet]

    init(_ store: TenantStore, _ agent: AgentNumber, _ range: ClosedRange<Int64>) throws {
        var groups: [Group] = []
        var sets: [TableSet] = []
        var setNumbers: [ObjectIdentifier: Int] = [:]
        // Of the block before, whose tables this one mostly names too.
        var (hashes, set) = ([TableHash](), 0)
        for block in store.head.blocks(of: agent)
        where block.first <= range.upperBound && block.last >= range.lowerBound {
            let samples: MetricBatch
            if let kept = block.decoded, !sets.isEmpty, kept.tables == hashes {
                samples = kept.samples
            } else {
                guard let (tables, decoded) = try store.decoded(block, of: agent) else { continue }
                samples = decoded
                if block.decoded == nil {
                    store.head.keep(
                        Head.DecodedBlock(tables: tables.hashes, samples: decoded), of: block.id, agent)
                }
                hashes = tables.hashes
                set = setNumbers[ObjectIdentifier(tables)] ?? sets.count
                if set == sets.count {
                    setNumbers[ObjectIdentifier(tables)] = set
                    sets.append(tables)
                }
            }
            for group in samples.groups {
                let kept = range.part(of: group.timestamps, shift: block.shift)
                guard let last = kept.last else { continue }
                groups.append(
                    Group(
                        block: block.id, group: group, set: set, shift: block.shift, kept: kept,
                        last: group.timestamps[last] &+ block.shift))
            }
        }
        self.groups = groups
        self.sets = sets
    }

    private init() { (groups, sets) = ([], []) }
    static let none = ListedBlocks()
}

/// Finds series in level-0 blocks; some nanoseconds per block when they are asked for in the order of their ids. One
/// thread's own.
struct OpenBlocks {
    /// One series in one group of a block.
    struct Part {
        let block: Int64
        let group: MetricBatch.Group
        let position: Int
        /// Milliseconds to add to the group's times.
        let shift: Int64
        /// Indexes of the samples in range; not empty.
        let kept: Range<Int>
    }

    private let groups: [ListedBlocks.Group]
    private let sets: [TableSet]
    /// Indexes of groups, those that reach furthest in time first; of equal ones the one committed last.
    private lazy var latestFirst = groups.indices.sorted { (groups[$0].last, $0) > (groups[$1].last, $1) }
    /// Where the series asked for next probably stands, by group.
    private var next: [Int]
    private var nextPlaces: [Int]
    private var numbers: [UInt32?]
    private var numbersOf = SeriesID.none
    private var matches: [(index: Int, position: Int)] = []

    init(_ listed: ListedBlocks) {
        groups = listed.groups
        sets = listed.sets
        next = Array(repeating: 0, count: listed.groups.count)
        nextPlaces = Array(repeating: 0, count: listed.sets.count)
        numbers = Array(repeating: nil, count: listed.sets.count)
    }

    /// Calls `body` with the series' parts, in the order of commit.
    mutating func forEachPart(of id: SeriesID, _ body: (Part) -> Void) {
        lookUp(id)
        for index in groups.indices {
            if let position = position(index) { body(part(index, position)) }
        }
    }

    /// Appends the series' samples.
    /// - Parameter base: from there on the columns hold earlier samples of the series.
    /// - Returns: false when the samples do not follow each other in time; then some are missing.
    mutating func append(
        _ id: SeriesID, from base: Int, _ timestamps: inout [Int64], _ values: inout [Double]
    ) -> Bool {
        lookUp(id)
        matches.removeAll(keepingCapacity: true)
        var count = 0
        for index in groups.indices {
            guard let position = position(index) else { continue }
            matches.append((index, position))
            count += groups[index].kept.count
        }
        guard count > 0 else { return true }
        var place = timestamps.count
        timestamps.append(contentsOf: repeatElement(0, count: count))
        values.append(contentsOf: repeatElement(0, count: count))
        return timestamps.withUnsafeMutableBufferPointer { timestamps in
            values.withUnsafeMutableBufferPointer { values in
                groups.withUnsafeBufferPointer { groups in
                    var before = place > base ? timestamps[place - 1] : Int64.min
                    for match in matches {
                        let start = match.position * groups[match.index].group.timestamps.count
                        for index in groups[match.index].kept {
                            let time = groups[match.index].group.timestamps[index] &+ groups[match.index].shift
                            guard time > before else { return false }
                            before = time
                            timestamps[place] = time
                            values[place] = groups[match.index].group.values[start + index]
                            place += 1
                        }
                    }
                    return true
                }
            }
        }
    }

    /// The part that holds the series' last sample in range, if that is not before `time`.
    mutating func last(of id: SeriesID, notBefore time: Int64) -> Part? {
        lookUp(id)
        for index in latestFirst {
            guard groups[index].last >= time else { return nil }
            guard numbers[groups[index].set] != nil, let position = position(index) else { continue }
            return part(index, position)
        }
        return nil
    }

    private mutating func lookUp(_ id: SeriesID) {
        guard id != numbersOf else { return }
        numbersOf = id
        for set in sets.indices { numbers[set] = sets[set].number(of: id, near: &nextPlaces[set]) }
    }

    private func part(_ index: Int, _ position: Int) -> Part {
        let group = groups[index]
        return Part(block: group.block, group: group.group, position: position, shift: group.shift, kept: group.kept)
    }

    /// Where the series stands in a group.
    @inline(__always)
    private mutating func position(_ index: Int) -> Int? {
        guard let number = numbers[groups[index].set] else { return nil }
        let guess = next[index]
        if guess < groups[index].group.series.count, groups[index].group.series[guess] == number {
            next[index] = guess + 1
            return guess
        }
        guard let found = groups[index].group.position(of: number) else { return nil }
        next[index] = found + 1
        return found
    }
}
