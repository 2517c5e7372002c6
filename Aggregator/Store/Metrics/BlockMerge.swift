package import Telemetry
import WireFormat

/// Merges level-0 blocks and chunk groups of one agent, series by series.
///
/// Blocks of one agent mostly hold the same series at ever later times. So values go straight to their place in a
/// ``SampleGrid``, one grid for each list of series that occurs, and a series that stands in one grid only, in the
/// order of time, is handed on without another copy. Only what overlaps in time is sorted.
/// Cost: some nanoseconds per sample, about 10 ns per (block, series). One thread's own.
final class BlockMerge {
    private var grids: [SampleGrid] = []
    /// Grids by their series.
    private var known: [[UInt32]: Int] = [:]
    /// The grid that the n-th group of the last block went to.
    private var recent: [Int] = []
    private var scratch: [UInt32] = []
    private let samplesExpected: Int
    private let blocksExpected: Int
    private var reserved = 0
    private(set) var sampleCount = 0
    /// Samples of series that have no id.
    var refusedCount: Int {
        grids.reduce(0) { $0 + $1.count * $1.ids.count { $0 == SeriesID.none.rawValue } }
    }

    /// - Parameters:
    ///   - samples: expected in all.
    ///   - blocks: expected in all, about as many in each grid.
    init(samples: Int = 0, blocks: Int = 1) {
        samplesExpected = samples
        blocksExpected = blocks
    }

    // MARK: Adding, in the order of time as far as known

    /// - Parameter order: higher was committed later.
    func add(_ batch: MetricBatch, _ tables: TableSet, shift: Int64, order: Int64) {
        for (index, group) in batch.groups.enumerated() where !group.timestamps.isEmpty {
            let count = group.timestamps.count
            let grid = grid(index, tables, group.series[...], count)
            group.timestamps.withUnsafeBufferPointer { grid.begin($0, shift: shift, order: order) }
            group.values.withUnsafeBufferPointer { values in
                guard var source = values.baseAddress else { return }
                for position in group.series.indices {
                    if Self.isConstant(source, count) {
                        grid.put(position, constant: source[0])
                    } else {
                        grid.put(position, source)
                    }
                    source += count
                }
            }
            mark(group.anomalies[...], count, grid)
            grid.end(starts: group.startTimestamps[...])
            sampleCount += count * group.series.count
        }
    }

    /// What the decoder holds, decoded without the repetitions of constants.
    func add(_ decoder: MetricBlockDecoder, _ tables: TableSet, shift: Int64, order: Int64) {
        for (index, group) in decoder.groups.enumerated() {
            let count = group.timestamps.count
            let grid = grid(index, tables, decoder.series[group.series], count)
            decoder.timestamps.withUnsafeBufferPointer {
                grid.begin(UnsafeBufferPointer(rebasing: $0[group.timestamps]), shift: shift, order: order)
            }
            decoder.constancy.withUnsafeBufferPointer { constancy in
                guard let base = decoder.allValues.baseAddress else { return }
                var source = base + group.values.lowerBound
                var position = 0
                for series in group.series {
                    if constancy[series] {
                        grid.put(position, constant: source[0])
                    } else {
                        grid.put(position, source)
                    }
                    source += count
                    position += 1
                }
            }
            mark(decoder.anomalies[group.anomalies], count, grid)
            grid.end(starts: decoder.startTimestamps[group.startTimestamps])
            sampleCount += group.values.count
        }
    }

    /// Everything in a chunk group. Whole timelines that were added before an error stay.
    /// - Parameter cuts: times at which a series' samples are left out.
    func add(
        _ group: ChunkGroupReader, order: Int64, without cuts: (UInt32) -> [ClosedRange<Int64>] = { _ in [] }
    ) throws(WireError) {
        var members = [[Int]](repeating: [], count: group.timelines.count)
        var cut: [(position: Int, ranges: [ClosedRange<Int64>])] = []
        for position in group.series.indices {
            let ranges = cuts(UInt32(truncatingIfNeeded: group.series[position]))
            if ranges.isEmpty {
                members[group.timeline(of: position)].append(position)
            } else {
                cut.append((position, ranges))
            }
        }
        for (number, entry) in cut.enumerated() {
            try add(group, entry.position, without: entry.ranges, order: order, hint: members.count + number)
        }
        for (timeline, positions) in members.enumerated() where !positions.isEmpty {
            let instants = group.timelines[timeline]
            scratch.removeAll(keepingCapacity: true)
            for position in positions { scratch.append(UInt32(truncatingIfNeeded: group.series[position])) }
            let grid = grid(timeline, instants.count)
            instants.withUnsafeBufferPointer { grid.begin($0, shift: 0, order: order) }
            for (index, position) in positions.enumerated() {
                if let constant = group.constant(position) {
                    grid.put(index, constant: constant)
                } else {
                    try group.read(position, into: grid.row(index))
                }
            }
            for (index, position) in positions.enumerated() {
                for mark in group.anomalousPositions(position) { grid.mark(index, mark) }
            }
            grid.end(
                starts: group.startTimestamps.isEmpty ? [] : positions.map { group.startTimestamps[$0] }[...])
            sampleCount += instants.count * positions.count
        }
    }

    /// What is left of one series.
    private func add(
        _ group: ChunkGroupReader, _ position: Int, without ranges: [ClosedRange<Int64>], order: Int64, hint: Int
    ) throws(WireError) {
        let times = group.timestamps(position)
        let kept = times.indices.filter { index in !ranges.contains { $0.contains(times[index]) } }
        guard !kept.isEmpty else { return }
        let values = try group.values(position)
        scratch = [UInt32(truncatingIfNeeded: group.series[position])]
        let grid = grid(hint, kept.count)
        kept.map { times[$0] }.withUnsafeBufferPointer { grid.begin($0, shift: 0, order: order) }
        let row = grid.row(0)
        for (place, index) in kept.enumerated() { row[place] = values[index] }
        let marked = Set(group.anomalousPositions(position))
        for (place, index) in kept.enumerated() where marked.contains(index) { grid.mark(0, place) }
        grid.end(starts: group.startTimestamps.isEmpty ? [] : [group.startTimestamps[position]])
        sampleCount += kept.count
    }

    private static func isConstant(_ values: UnsafePointer<Double>, _ count: Int) -> Bool {
        var differing: UInt64 = 0
        for index in 1..<max(count, 1) { differing |= values[index].bitPattern ^ values[0].bitPattern }
        return differing == 0
    }

    private func mark(_ anomalies: ArraySlice<UInt64>, _ count: Int, _ grid: SampleGrid) {
        for (number, word) in anomalies.enumerated() where word != 0 {
            for bit in 0..<64 where word & (1 << UInt64(bit)) != 0 {
                let (position, index) = (number * 64 + bit).quotientAndRemainder(dividingBy: count)
                if position < grid.ids.count { grid.mark(position, index) }
            }
        }
    }

    private func grid(_ index: Int, _ tables: TableSet, _ series: ArraySlice<UInt32>, _ instants: Int) -> SampleGrid {
        scratch.removeAll(keepingCapacity: true)
        for number in series {
            scratch.append(Int(number) < tables.ids.count ? tables.ids[Int(number)].rawValue : SeriesID.none.rawValue)
        }
        return grid(index, instants)
    }

    /// The grid of the series in `scratch`.
    private func grid(_ index: Int, _ instants: Int) -> SampleGrid {
        while recent.count <= index { recent.append(-1) }
        if recent[index] >= 0, grids[recent[index]].ids == scratch { return grids[recent[index]] }
        let number = known[scratch] ?? grids.count
        recent[index] = number
        if number < grids.count { return grids[number] }
        known[scratch] = number
        let room = max(0, samplesExpected - reserved) / max(1, scratch.count)
        let capacity = max(instants, min(instants * blocksExpected, room))
        reserved += capacity * scratch.count
        let grid = SampleGrid(ids: scratch, capacity: capacity)
        grids.append(grid)
        return grid
    }

    // MARK: Reading

    private struct Place {
        let id: UInt32
        let grid: Int
        let position: Int
    }

    /// Calls `body` once per series that has samples, ascending by id, with its samples in order and a number that
    /// stays the same from one series to the next as long as their timestamps are the same.
    func forEachSeries(_ body: (UInt32, SampleColumn, _ instants: Int) throws -> Void) rethrows {
        let places = sortedPlaces()
        var gathering = Gathering()
        var index = 0
        while index < places.count {
            let id = places[index].id
            var end = index + 1
            while end < places.count, places[end].id == id { end += 1 }
            let grid = grids[places[index].grid]
            if end == index + 1, grid.isOrdered {
                if grid.count > 0 {
                    let instants = places[index].grid
                    try grid.column(places[index].position) { try body(id, $0, instants) }
                }
            } else {
                gather(places[index..<end], &gathering)
                let instants = grids.count + gathering.instants
                try gathering.run.column { try body(id, $0, instants) }
            }
            index = end
        }
    }

    private func sortedPlaces() -> [Place] {
        var places: [Place] = []
        for (number, grid) in grids.enumerated() {
            for (position, id) in grid.ids.enumerated() where id != SeriesID.none.rawValue {
                places.append(Place(id: id, grid: number, position: position))
            }
        }
        return places.sorted { ($0.id, $0.grid, $0.position) < ($1.id, $1.grid, $1.position) }
    }

    /// Series that lie in several segments lists or overlap with themselves are put together in a run.
    private struct Gathering {
        var run = SampleRun()
        /// The grids of the series gathered last, and in which order their segments are taken.
        var grids: [Int] = []
        var segments: [(source: Int, segment: SampleGrid.Segment)] = []
        var isDisjoint = false
        var instants = 0
    }

    private func gather(_ places: ArraySlice<Place>, _ gathering: inout Gathering) {
        let sources = places.map(\.grid)
        if sources != gathering.grids {
            gathering.grids = sources
            gathering.segments = sources.enumerated().flatMap { source, grid in
                grids[grid].segments.map { (source, $0) }
            }
            gathering.segments.sort {
                ($0.segment.first, $0.segment.order, $0.source) < ($1.segment.first, $1.segment.order, $1.source)
            }
            gathering.isDisjoint = zip(gathering.segments, gathering.segments.dropFirst())
                .allSatisfy { $0.segment.last < $1.segment.first }
            // What overlaps is settled by the order of commit.
            if !gathering.isDisjoint {
                gathering.segments.sort { ($0.segment.order, $0.source) < ($1.segment.order, $1.source) }
            }
            gathering.instants += 1
        }
        gathering.run.removeAll()
        for (source, segment) in gathering.segments {
            let place = places[places.startIndex + source]
            grids[place.grid].append(place.position, segment, to: &gathering.run)
        }
        gathering.run.settle()
    }
}

extension MetricBatch.Group {
    /// Whether the agent judged the value at an index of `values` anomalous.
    package func isAnomalous(_ index: Int) -> Bool {
        index / 64 < anomalies.count && anomalies[index / 64] & (1 << UInt64(index % 64)) != 0
    }

    /// Where a series stands in the group. O(log series).
    func position(of number: UInt32) -> Int? {
        var low = 0
        var high = series.count
        while low < high {
            let middle = (low + high) / 2
            if series[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < series.count && series[low] == number ? low : nil
    }
}
