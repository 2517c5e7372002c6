import Telemetry

/// What one agent's level-0 blocks hold, series by series: a range query reads the newest samples from here as it reads
/// a merged chunk, without looking into each block.
///
/// A series' samples stand in the order of time, each time once; of several values at one time the one committed last
/// stays. Series that always come together share their times, so that a sample takes 8 B; others take 16 B. Starts of
/// counters and anomaly bits are left out: who needs them reads the blocks.
///
/// A value: a copy is a snapshot, and what is added afterwards copies what it changes if the snapshot is still read.
struct RecentColumns: Sendable {
    private struct Timeline {
        var times: [Int64]
        /// Columns that have these times.
        var users: Int
    }
    private struct Column {
        /// -1: no sample yet.
        var timeline = -1
        /// One for each time of the timeline.
        var values: [Double] = []
    }
    /// The series of a group as blocks name them, and their columns.
    private struct List {
        let tables: TableSet
        let numbers: [UInt32]
        /// Where in the group, and in which column; others are not kept.
        let members: [(row: Int32, place: Int32)]
        /// Theirs, if all of them have one that nobody else has.
        let timeline: Int?
        var bytes: Int { numbers.count * 4 + members.count * 8 + 128 }
    }

    /// Lists that are remembered; senders mostly have a few.
    private static let listsMax = 16

    /// The id of the last block that was added.
    private(set) var through = Int64.min
    /// Only some series are kept.
    let isPartial: Bool
    /// Memory that it takes, about.
    var bytes: Int { sampleCount * Self.sampleBytes + listBytes + columns.count * 64 }
    /// Of a sample: 8 B and some room to grow where times are shared, twice that where they are not.
    static let sampleBytes = 12
    private var sampleCount = 0
    private var listBytes = 0
    private var places: [UInt32: Int] = [:]
    private var columns: [Column] = []
    private var timelines: [Timeline] = []
    private var lists: [List] = []
    /// The list that a group had last; the next group mostly has the one behind it.
    private var recent = 0

    init() { isPartial = false }

    /// Keeps only these series.
    init(only ids: some Sequence<UInt32>) {
        isPartial = true
        for id in ids where places[id] == nil { addColumn(id) }
    }

    /// Whether a series' samples are here, if it has any.
    func covers(_ id: UInt32) -> Bool { !isPartial || places[id] != nil }
    /// The series that have a column.
    var ids: some Collection<UInt32> { places.keys }

    // MARK: Adding, in the order of commit

    /// - Parameters:
    ///   - batch: of the block; its groups in order.
    ///   - shift: milliseconds to add to its times.
    mutating func add(_ batch: MetricBatch, _ tables: TableSet, shift: Int64) {
        for group in batch.groups where !group.timestamps.isEmpty && !group.series.isEmpty {
            let list = list(tables, group.series)
            let times = shift == 0 ? group.timestamps : group.timestamps.map { $0 &+ shift }
            times.withUnsafeBufferPointer { times in
                group.values.withUnsafeBufferPointer { add(times, $0, list) }
            }
        }
    }

    /// The block with this id, and all before it, was added or is gone.
    mutating func noteAdded(_ block: Int64) { through = max(through, block) }

    /// - Parameter values: series-major.
    private mutating func add(_ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<Double>, _ list: Int) {
        let members = lists[list].members
        let count = times.count
        sampleCount += count * members.count
        func own(_ row: Int32) -> UnsafeBufferPointer<Double> {
            UnsafeBufferPointer(rebasing: values[Int(row) * count..<(Int(row) + 1) * count])
        }
        guard let timeline = lists[list].timeline, timelines[timeline].users == members.count,
            timelines[timeline].times.last ?? .min < times[0]
        else {
            for (row, place) in members { insert(times, own(row), Int(place)) }
            return
        }
        Self.append(times, to: &timelines[timeline].times)
        columns.withUnsafeMutableBufferPointer { columns in
            for (row, place) in members { Self.append(own(row), to: &columns[Int(place)].values) }
        }
    }

    /// Grows by a quarter rather than to the double.
    private static func append<Element>(_ more: UnsafeBufferPointer<Element>, to array: inout [Element]) {
        let needed = array.count + more.count
        if array.capacity < needed { array.reserveCapacity(max(needed, 16, needed + needed / 4)) }
        array.append(contentsOf: more)
    }

    /// Adds samples to one series, whose times are its own from then on.
    private mutating func insert(
        _ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<Double>, _ place: Int
    ) {
        var timeline = columns[place].timeline
        if timelines[timeline].users > 1 {
            timelines[timeline].users -= 1
            timelines.append(Timeline(times: timelines[timeline].times, users: 1))
            timeline = timelines.count - 1
            columns[place].timeline = timeline
        }
        let isLater = timelines[timeline].times.last ?? .min < times[0]
        let before = timelines[timeline].times.count
        Self.append(times, to: &timelines[timeline].times)
        Self.append(values, to: &columns[place].values)
        if !isLater {
            SortedRuns.merge(from: 0, middle: before, &timelines[timeline].times, &columns[place].values)
        }
    }

    private mutating func list(_ tables: TableSet, _ numbers: [UInt32]) -> Int {
        for offset in lists.indices {
            let index = (recent + 1 + offset) % lists.count
            if lists[index].tables === tables, lists[index].numbers == numbers {
                recent = index
                return index
            }
        }
        let list = makeList(tables, numbers)
        listBytes += list.bytes
        if lists.count < Self.listsMax {
            lists.append(list)
            recent = lists.count - 1
        } else {
            recent = (recent + 1) % lists.count
            listBytes -= lists[recent].bytes
            lists[recent] = list
        }
        return recent
    }

    private mutating func makeList(_ tables: TableSet, _ numbers: [UInt32]) -> List {
        var members: [(row: Int32, place: Int32)] = []
        for (row, number) in numbers.enumerated() where Int(number) < tables.ids.count {
            let id = tables.ids[Int(number)]
            guard id != .none else { continue }
            guard let place = places[id.rawValue] ?? (isPartial ? nil : addColumn(id.rawValue)) else { continue }
            members.append((Int32(truncatingIfNeeded: row), Int32(truncatingIfNeeded: place)))
        }
        let timeline = shared(by: members.map { Int($0.place) })
        return List(tables: tables, numbers: numbers, members: members, timeline: timeline)
    }

    @discardableResult
    private mutating func addColumn(_ id: UInt32) -> Int {
        places[id] = columns.count
        columns.append(Column())
        return columns.count - 1
    }

    /// Gives columns without samples a timeline: one for all if the list has no others.
    /// - Returns: the timeline that the list's columns share, if they do.
    private mutating func shared(by members: [Int]) -> Int? {
        guard let first = members.first else { return nil }
        let areDistinct = Set(members).count == members.count
        if areDistinct, members.allSatisfy({ columns[$0].timeline < 0 }) {
            timelines.append(Timeline(times: [], users: members.count))
            for place in members { columns[place].timeline = timelines.count - 1 }
            return timelines.count - 1
        }
        for place in members where columns[place].timeline < 0 {
            timelines.append(Timeline(times: [], users: 1))
            columns[place].timeline = timelines.count - 1
        }
        let timeline = columns[first].timeline
        let isTheirs =
            areDistinct && timelines[timeline].users == members.count
            && members.allSatisfy { columns[$0].timeline == timeline }
        return isTheirs ? timeline : nil
    }

    // MARK: Reading

    /// Appends a series' samples in range, strictly ascending in time.
    func append(
        _ id: SeriesID, in range: ClosedRange<Int64>, _ timestamps: inout [Int64], _ values: inout [Double]
    ) {
        read(id, in: range) { times, numbers in
            timestamps.append(contentsOf: times)
            values.append(contentsOf: numbers)
        }
    }

    func append(_ id: SeriesID, in range: ClosedRange<Int64>, to run: inout SampleRun) {
        read(id, in: range) { times, numbers in
            run.append(times: times, shift: 0)
            run.append(values: numbers, start: 0)
        }
    }

    @inline(__always)
    private func read(
        _ id: SeriesID, in range: ClosedRange<Int64>,
        _ body: (UnsafeBufferPointer<Int64>, UnsafeBufferPointer<Double>) -> Void
    ) {
        guard let place = places[id.rawValue], columns[place].timeline >= 0 else { return }
        // Pointers, so that threads that read the same columns do not count references to them.
        columns.withUnsafeBufferPointer { columns in
            timelines.withUnsafeBufferPointer { timelines in
                timelines[columns[place].timeline].times.withUnsafeBufferPointer { times in
                    let kept = range.part(of: times)
                    guard !kept.isEmpty else { return }
                    columns[place].values.withUnsafeBufferPointer { values in
                        body(UnsafeBufferPointer(rebasing: times[kept]), UnsafeBufferPointer(rebasing: values[kept]))
                    }
                }
            }
        }
    }

    /// Calls `body` with the windows of level 1 that have samples in range; with some more than once.
    func forEachWindow(in range: ClosedRange<Int64>, _ body: (Int64) -> Void) {
        for timeline in timelines where timeline.users > 0 {
            timeline.times.withUnsafeBufferPointer { times in
                let kept = range.part(of: times)
                var index = kept.lowerBound
                while index < kept.upperBound {
                    let window = RollupChoice.window(of: times[index])
                    body(window)
                    let end = (window + 1) * StoreLimits.windowMilliseconds
                    let rest = UnsafeBufferPointer(rebasing: times[index..<kept.upperBound])
                    index += max(1, (Int64.min...end - 1).part(of: rest).upperBound)
                }
            }
        }
    }
}

/// Columns that consist of two runs, each strictly ascending in time.
enum SortedRuns {
    /// Makes one run of what stands from `base` on. Of two samples at one time that of the second run stays.
    /// - Parameter middle: where the second run begins.
    /// - Complexity: O(samples that are not before all of the second run).
    static func merge(from base: Int, middle: Int, _ times: inout [Int64], _ values: inout [Double]) {
        guard middle > base, middle < times.count, times[middle] <= times[middle - 1] else { return }
        var low = base
        var high = middle
        while low < high {
            let place = (low + high) / 2
            if times[place] < times[middle] { low = place + 1 } else { high = place }
        }
        let (firstTimes, firstValues) = (Array(times[low..<middle]), Array(values[low..<middle]))
        let (secondTimes, secondValues) = (Array(times[middle...]), Array(values[middle...]))
        times.removeLast(times.count - low)
        values.removeLast(values.count - low)
        var (first, second) = (0, 0)
        while first < firstTimes.count || second < secondTimes.count {
            let isFirst =
                second == secondTimes.count || first < firstTimes.count && firstTimes[first] < secondTimes[second]
            if isFirst {
                times.append(firstTimes[first])
                values.append(firstValues[first])
                first += 1
            } else {
                if first < firstTimes.count, firstTimes[first] == secondTimes[second] { first += 1 }
                times.append(secondTimes[second])
                values.append(secondValues[second])
                second += 1
            }
        }
    }
}
