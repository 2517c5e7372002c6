import Telemetry
import WireFormat

/// Merges level-0 blocks and chunk groups of one agent, series by series.
///
/// Values are copied once into one arena; series that were sampled at the same instants (most of an agent's) share
/// their merged timestamps. Cost: some nanoseconds per sample, about 15 ns per (block, series). Memory: 8 B per
/// sample plus 8 B per (block, instant). One thread's own.
final class BlockMerge {
    /// A group of a block within the arenas.
    private struct Place {
        let times: Range<Int>
        let values: Int
        let shift: Int64
        /// Into `starts`; -1: none known.
        let starts: Int
        /// Whether `marks` has entries of it.
        let isMarked: Bool
    }
    /// One series of one group.
    private struct Piece {
        let place: UInt32
        let position: UInt32
    }

    private var times: [Int64] = []
    private var values: UnsafeMutablePointer<Double>
    private var valueCount = 0
    private var capacity: Int
    private var starts: [Int64] = []
    /// Indexes into `values` of anomalous samples.
    private var marks = Set<Int>()
    private var places: [Place] = []
    private var ids: [UInt32] = []
    private var pieces: [Piece] = []

    init(samples: Int = 0) {
        capacity = max(1024, samples)
        values = .allocate(capacity: capacity)
    }

    deinit { values.deallocate() }

    var sampleCount: Int { valueCount }

    // MARK: Adding, in the order of commit

    func add(_ batch: MetricBatch, _ tables: TableSet, shift: Int64) {
        for group in batch.groups {
            group.values.withUnsafeBufferPointer { numbers in
                add(group.timestamps[...], group.series[...], numbers, group.startTimestamps[...], shift) {
                    Int($0) < tables.ids.count ? tables.ids[Int($0)].rawValue : 0
                } isAnomalous: {
                    group.isAnomalous($0)
                }
            }
        }
    }

    /// What the decoder holds.
    func add(_ decoder: MetricBlockDecoder, _ tables: TableSet, shift: Int64) {
        add(decoder, shift: shift) { Int($0) < tables.ids.count ? tables.ids[Int($0)].rawValue : 0 }
    }
    private func add(_ decoder: MetricBlockDecoder, shift: Int64, id: (UInt32) -> UInt32) {
        for group in decoder.groups {
            let numbers = UnsafeBufferPointer(rebasing: decoder.allValues[group.values])
            let anomalies = decoder.anomalies[group.anomalies]
            add(
                decoder.timestamps[group.timestamps], decoder.series[group.series], numbers,
                decoder.startTimestamps[group.startTimestamps], shift, id: id
            ) { index in
                let word = anomalies.startIndex + index / 64
                return word < anomalies.endIndex && anomalies[word] & (1 << UInt64(index % 64)) != 0
            } hasAnomalies: {
                !anomalies.isEmpty
            }
        }
    }

    /// Everything in a chunk group. What was added before an error stays.
    func add(_ group: ChunkGroupReader) throws(WireError) {
        var members = [[Int]](repeating: [], count: group.timelines.count)
        for position in group.series.indices { members[group.timeline(of: position)].append(position) }
        for (timeline, positions) in members.enumerated() where !positions.isEmpty {
            let instants = group.timelines[timeline]
            reserve(instants.count * positions.count)
            let hasStarts = !group.startTimestamps.isEmpty
            var isMarked = false
            let place = UInt32(places.count)
            let base = valueCount
            for (index, position) in positions.enumerated() {
                try group.read(position, into: values + base + index * instants.count)
                for mark in group.anomalousPositions(position) {
                    marks.insert(base + index * instants.count + mark)
                    isMarked = true
                }
            }
            places.append(
                Place(
                    times: times.count..<times.count + instants.count, values: base, shift: 0,
                    starts: hasStarts ? starts.count : -1, isMarked: isMarked))
            times.append(contentsOf: instants)
            for (index, position) in positions.enumerated() {
                if hasStarts { starts.append(group.startTimestamps[position]) }
                ids.append(UInt32(truncatingIfNeeded: group.series[position]))
                pieces.append(Piece(place: place, position: UInt32(index)))
            }
            valueCount += instants.count * positions.count
        }
    }

    private func add(
        _ instants: ArraySlice<Int64>, _ series: ArraySlice<UInt32>, _ numbers: UnsafeBufferPointer<Double>,
        _ startTimes: ArraySlice<Int64>, _ shift: Int64, id: (UInt32) -> UInt32, isAnomalous: (Int) -> Bool,
        hasAnomalies: () -> Bool = { true }
    ) {
        guard !instants.isEmpty, numbers.count == instants.count * series.count, let source = numbers.baseAddress else {
            return
        }
        reserve(numbers.count)
        (values + valueCount).update(from: source, count: numbers.count)
        var isMarked = false
        if hasAnomalies() {
            for index in numbers.indices where isAnomalous(index) {
                marks.insert(valueCount + index)
                isMarked = true
            }
        }
        let place = UInt32(places.count)
        places.append(
            Place(
                times: times.count..<times.count + instants.count, values: valueCount, shift: shift,
                starts: startTimes.isEmpty ? -1 : starts.count, isMarked: isMarked))
        times.append(contentsOf: instants)
        starts.append(contentsOf: startTimes)
        var position: UInt32 = 0
        for number in series {
            let known = id(number)
            if known != SeriesID.none.rawValue {
                ids.append(known)
                pieces.append(Piece(place: place, position: position))
            }
            position += 1
        }
        valueCount += numbers.count
    }

    private func reserve(_ extra: Int) {
        guard capacity < valueCount + extra else { return }
        let wider = max(capacity * 2, valueCount + extra)
        let moved = UnsafeMutablePointer<Double>.allocate(capacity: wider)
        moved.update(from: values, count: valueCount)
        values.deallocate()
        values = moved
        capacity = wider
    }

    // MARK: Reading

    /// Calls `body` once per series that has samples, ascending by id, with its samples in order and a number that
    /// stays the same from one series to the next as long as their timestamps are the same.
    func forEachSeries(_ body: (UInt32, SampleRun, _ instants: Int) throws -> Void) rethrows {
        let (keys, bounds, sorted) = placed()
        var run = SampleRun()
        var instants = 0
        var before = 0..<0
        for (index, id) in keys.enumerated() {
            let span = bounds[index]..<bounds[index + 1]
            if run.isOrdered, sharesInstants(sorted, before, span) {
                run.removeValues()
                for piece in sorted[span] { appendValues(piece, to: &run) }
            } else {
                instants += 1
                run.removeAll()
                for piece in sorted[span] {
                    let place = places[Int(piece.place)]
                    times.withUnsafeBufferPointer {
                        run.append(times: UnsafeBufferPointer(rebasing: $0[place.times]), shift: place.shift)
                    }
                    appendValues(piece, to: &run)
                }
            }
            before = run.isOrdered ? span : 0..<0
            run.settle()
            if !run.isEmpty { try body(id, run, instants) }
        }
    }

    private func appendValues(_ piece: Piece, to run: inout SampleRun) {
        let place = places[Int(piece.place)]
        let count = place.times.count
        let offset = place.values + Int(piece.position) * count
        var start: Int64 = 0
        if place.starts >= 0 {
            start = starts[place.starts + Int(piece.position)]
            if start != 0 { start = start &+ place.shift }
        }
        let base = run.values.count
        run.append(values: UnsafeBufferPointer(start: values + offset, count: count), start: start)
        guard place.isMarked else { return }
        for index in 0..<count where marks.contains(offset + index) { run.markAnomaly(base + index) }
    }

    private func sharesInstants(_ sorted: [Piece], _ before: Range<Int>, _ span: Range<Int>) -> Bool {
        guard before.count == span.count, !span.isEmpty else { return false }
        var other = before.lowerBound
        for index in span {
            if sorted[index].place != sorted[other].place { return false }
            other += 1
        }
        return true
    }

    /// A counting sort of all pieces by series, stable, so that each series' pieces stay in the order of commit.
    private func placed() -> (keys: [UInt32], bounds: [Int], pieces: [Piece]) {
        let keys = distinct()
        var slots: [UInt32: Int32] = [:]
        var dense: [Int32] = []
        let low = keys.first ?? 0
        // An agent's ids mostly lie close together; then a table replaces the hash.
        let width = keys.isEmpty ? 0 : Int(keys[keys.count - 1] - low) + 1
        let isDense = width <= 8 * keys.count + 65_536
        if isDense { dense = [Int32](repeating: 0, count: width) }
        for (index, key) in keys.enumerated() {
            if isDense { dense[Int(key - low)] = Int32(index) } else { slots[key] = Int32(index) }
        }
        var bounds = [Int](repeating: 0, count: keys.count + 1)
        let places = ids.map { Int(isDense ? dense[Int($0 - low)] : slots[$0] ?? 0) }
        for slot in places { bounds[slot + 1] += 1 }
        for index in keys.indices { bounds[index + 1] += bounds[index] }
        var next = bounds
        var sorted = [Piece](repeating: Piece(place: 0, position: 0), count: pieces.count)
        for (index, slot) in places.enumerated() {
            sorted[next[slot]] = pieces[index]
            next[slot] += 1
        }
        return (keys, bounds, sorted)
    }

    private func distinct() -> [UInt32] {
        var seen = Set<UInt32>()
        for id in ids { seen.insert(id) }
        return seen.sorted()
    }
}

extension MetricBatch.Group {
    func isAnomalous(_ index: Int) -> Bool {
        index / 64 < anomalies.count && anomalies[index / 64] & (1 << UInt64(index % 64)) != 0
    }
}

extension MetricBatch.Group {
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
