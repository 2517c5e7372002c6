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
        var timeline: Int
        /// One for each time of the timeline.
        var values: [Double] = []
    }
    /// The series of a group as blocks name them, and their columns; -1: samples that no series has an id for.
    private struct List {
        let tables: TableSet
        let numbers: [UInt32]
        let places: [Int]
        /// Theirs, if all of them have one that nobody else has.
        var timeline: Int?
    }

    /// Lists that are remembered; senders mostly have a few.
    private static let listsMax = 16

    /// The id of the last block that was added.
    private(set) var through = Int64.min
    private var places: [UInt32: Int] = [:]
    private var columns: [Column] = []
    private var timelines: [Timeline] = []
    private var lists: [List] = []
    /// The list that a group had last; the next group mostly has the one behind it.
    private var recent = 0

    init() {}

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
        let places = lists[list].places
        let count = times.count
        guard let timeline = lists[list].timeline, timelines[timeline].users == places.count,
            timelines[timeline].times.last ?? .min < times[0]
        else {
            for (row, place) in places.enumerated() where place >= 0 {
                insert(times, UnsafeBufferPointer(rebasing: values[row * count..<(row + 1) * count]), place)
            }
            return
        }
        Self.append(times, to: &timelines[timeline].times)
        columns.withUnsafeMutableBufferPointer { columns in
            for (row, place) in places.enumerated() {
                let own = UnsafeBufferPointer(rebasing: values[row * count..<(row + 1) * count])
                Self.append(own, to: &columns[place].values)
            }
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
        if lists.count < Self.listsMax {
            lists.append(list)
            recent = lists.count - 1
        } else {
            recent = (recent + 1) % lists.count
            lists[recent] = list
        }
        return recent
    }

    private mutating func makeList(_ tables: TableSet, _ numbers: [UInt32]) -> List {
        let known = columns.count
        var own: [Int] = []
        own.reserveCapacity(numbers.count)
        for number in numbers {
            let id = Int(number) < tables.ids.count ? tables.ids[Int(number)] : .none
            own.append(id == .none ? -1 : place(of: id))
        }
        return List(tables: tables, numbers: numbers, places: own, timeline: shared(by: own, known: known))
    }

    /// Where a series' column is. A new one has no timeline yet.
    private mutating func place(of id: SeriesID) -> Int {
        if let known = places[id.rawValue] { return known }
        places[id.rawValue] = columns.count
        columns.append(Column(timeline: -1))
        return columns.count - 1
    }

    /// Gives new columns a timeline: one for all if the list has no others.
    /// - Parameter known: columns from there on are new.
    /// - Returns: the timeline that the list's columns share, if they do.
    private mutating func shared(by own: [Int], known: Int) -> Int? {
        let fresh = columns.count - known
        if fresh == own.count, fresh > 0 {
            timelines.append(Timeline(times: [], users: fresh))
            for place in known..<columns.count { columns[place].timeline = timelines.count - 1 }
            return timelines.count - 1
        }
        for place in known..<columns.count {
            timelines.append(Timeline(times: [], users: 1))
            columns[place].timeline = timelines.count - 1
        }
        guard fresh == 0, let first = own.first, first >= 0, Set(own).count == own.count else { return nil }
        let timeline = columns[first].timeline
        let isTheirs =
            timelines[timeline].users == own.count && own.allSatisfy { $0 >= 0 && columns[$0].timeline == timeline }
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
        guard let place = places[id.rawValue] else { return }
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
