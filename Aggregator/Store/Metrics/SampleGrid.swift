/// Series that were sampled at the same instants: one row of values each, growing to the right, segment by segment.
///
/// A series that never changed has no row: on machines most series rest most of the time, and neither their copying
/// nor their encoding has to look at each sample. Memory: 8 B per sample of the others. One thread's own.
///
/// `begin`, one `put` (or filled ``row(_:)``) for each position, `end`; without `end` nothing of it counts.
final class SampleGrid {
    /// Samples of all series at some instants, as one block or chunk group brought them.
    struct Segment {
        let range: Range<Int>
        let first: Int64
        let last: Int64
        /// Higher was committed later.
        let order: Int64
    }

    /// By position.
    let ids: [UInt32]
    private(set) var times: [Int64] = []
    private(set) var segments: [Segment] = []
    /// Whether `times` ascends strictly.
    private(set) var isOrdered = true

    private let rows: UnsafeMutablePointer<UnsafeMutablePointer<Double>?>
    /// The value so far, of positions without a row.
    private let constants: UnsafeMutablePointer<Double>
    private var capacity: Int
    /// Instants of the segment that was begun.
    private var extra = 0
    private var order: Int64 = 0
    private var shift: Int64 = 0
    private var currentStarts: [Int64]
    private var startChanges: [Int: [(index: Int, start: Int64)]] = [:]
    private var marks: [Int: [Int]] = [:]

    /// - Parameter capacity: instants expected.
    init(ids: [UInt32], capacity: Int) {
        self.ids = ids
        self.capacity = max(1, capacity)
        rows = .allocate(capacity: max(1, ids.count))
        rows.initialize(repeating: nil, count: ids.count)
        constants = .allocate(capacity: max(1, ids.count))
        constants.initialize(repeating: 0, count: ids.count)
        currentStarts = []
    }

    deinit {
        for position in ids.indices { rows[position]?.deallocate() }
        rows.deallocate()
        constants.deallocate()
    }

    // MARK: Adding

    /// - Parameters:
    ///   - instants: ascending strictly, not empty.
    ///   - shift: milliseconds to add to them.
    func begin(_ instants: UnsafeBufferPointer<Int64>, shift: Int64, order: Int64) {
        extra = instants.count
        self.order = order
        self.shift = shift
        times.removeLast(times.count - count)
        for instant in instants { times.append(instant &+ shift) }
        guard count + extra > capacity else { return }
        let wider = max(capacity * 2, count + extra)
        for position in ids.indices {
            guard let row = rows[position] else { continue }
            let moved = UnsafeMutablePointer<Double>.allocate(capacity: wider)
            moved.update(from: row, count: count)
            row.deallocate()
            rows[position] = moved
        }
        capacity = wider
    }

    /// Instants of the segments that have ended.
    private(set) var count = 0

    func put(_ position: Int, constant value: Double) {
        if let row = rows[position] {
            (row + count).update(repeating: value, count: extra)
        } else if count == 0 || constants[position].bitPattern == value.bitPattern {
            constants[position] = value
        } else {
            row(position).update(repeating: value, count: extra)
        }
    }

    func put(_ position: Int, _ values: UnsafePointer<Double>) {
        row(position).update(from: values, count: extra)
    }

    /// Where the segment's values of this position go.
    func row(_ position: Int) -> UnsafeMutablePointer<Double> {
        if let row = rows[position] { return row + count }
        let row = UnsafeMutablePointer<Double>.allocate(capacity: capacity)
        row.update(repeating: constants[position], count: count)
        rows[position] = row
        return row + count
    }

    /// Takes the segment in.
    /// - Parameter starts: when each position's counter started, 0 where unknown; empty if none is known.
    func end(starts: ArraySlice<Int64>) {
        noteStarts(starts)
        let range = count..<count + extra
        if count > 0, times[count] <= times[count - 1] { isOrdered = false }
        segments.append(Segment(range: range, first: times[count], last: times[range.upperBound - 1], order: order))
        count += extra
        extra = 0
    }

    /// Marks a sample of the segment that was begun; ascending per position.
    func mark(_ position: Int, _ index: Int) { marks[position, default: []].append(count + index) }

    private func noteStarts(_ starts: ArraySlice<Int64>) {
        if starts.isEmpty, currentStarts.isEmpty { return }
        if currentStarts.isEmpty { currentStarts = [Int64](repeating: 0, count: ids.count) }
        for position in ids.indices {
            var start = starts.isEmpty ? 0 : starts[starts.startIndex + position]
            if start != 0 { start = start &+ shift }
            guard start != currentStarts[position] else { continue }
            currentStarts[position] = start
            startChanges[position, default: []].append((count, start))
        }
    }

    // MARK: Reading

    /// - Precondition: ``isOrdered``.
    func column<Result>(_ position: Int, _ body: (SampleColumn) throws -> Result) rethrows -> Result {
        try times.withUnsafeBufferPointer { times in
            try body(
                SampleColumn(
                    times: UnsafeBufferPointer(rebasing: times[..<count]),
                    values: rows[position].map { UnsafePointer($0) }, constant: constants[position],
                    anomalies: marks[position] ?? [], starts: startChanges[position] ?? []))
        }
    }

    /// Appends one segment of a series to `run`.
    func append(_ position: Int, _ segment: Segment, to run: inout SampleRun) {
        let base = run.values.count
        times.withUnsafeBufferPointer {
            run.append(times: UnsafeBufferPointer(rebasing: $0[segment.range]), shift: 0)
        }
        let start = startChanges[position]?.last { $0.index <= segment.range.lowerBound }?.start ?? 0
        if let row = rows[position] {
            run.append(
                values: UnsafeBufferPointer(start: row + segment.range.lowerBound, count: segment.range.count),
                start: start)
        } else {
            run.append(repeating: constants[position], count: segment.range.count, start: start)
        }
        guard let marked = marks[position] else { return }
        for index in marked where segment.range.contains(index) {
            run.markAnomaly(base + index - segment.range.lowerBound)
        }
    }
}
