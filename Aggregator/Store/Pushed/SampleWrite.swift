import Telemetry

/// Samples to be stored that came by push, as columns: a run of samples for each series.
package struct SampleWrite: Sendable {
    struct Run: Sendable {
        let series: PushedSeriesID
        let range: Range<Int>
    }
    private(set) var runs: [Run] = []
    private(set) var timestamps: [Int64] = []
    private(set) var values: [Double] = []

    package init() {}

    /// Samples as columns of one length; neighbours of one series form a run.
    package init(series: [UInt32], timestamps: [Int64], values: [Double]) {
        precondition(series.count == timestamps.count && series.count == values.count, "columns of one length")
        self.timestamps = timestamps
        self.values = values
        var begin = 0
        for index in series.indices where index + 1 == series.count || series[index + 1] != series[index] {
            runs.append(Run(series: PushedSeriesID(series[index]), range: begin..<index + 1))
            begin = index + 1
        }
        start = timestamps.count
    }

    package var sampleCount: Int { timestamps.count }
    package var isEmpty: Bool { timestamps.isEmpty }

    /// Takes out the samples at other times.
    /// - Returns: how many they were.
    package mutating func remove(outside times: ClosedRange<Int64>) -> Int {
        closeRun()
        let misplaced = timestamps.count { !times.contains($0) }
        guard misplaced > 0 else { return 0 }
        var kept = SampleWrite()
        for run in runs {
            kept.begin(run.series)
            for index in run.range where times.contains(timestamps[index]) {
                kept.append(timestamps[index], values[index])
            }
        }
        kept.closeRun()
        self = kept
        return misplaced
    }

    /// Begins a run: the samples that ``append(_:_:)`` adds until the next one belong to `series`.
    package mutating func begin(_ series: PushedSeriesID) {
        closeRun()
        open = series
    }
    private var open: PushedSeriesID?
    private var start = 0

    /// - Parameter time: milliseconds; in any order.
    package mutating func append(_ time: Int64, _ value: Double) {
        timestamps.append(time)
        values.append(value)
    }

    mutating func closeRun() {
        if let open, start < timestamps.count { runs.append(Run(series: open, range: start..<timestamps.count)) }
        open = nil
        start = timestamps.count
    }
}

extension SampleWrite {
    /// Samples of one run at most; a longer one becomes several.
    static let runSamplesMax = 65_536

    /// A series' samples in order, each time once. Of several values at one time the last stays.
    struct Piece {
        var series: PushedSeriesID
        /// Its place among the pieces of its series.
        var ordinal: Int
        var timestamps: ArraySlice<Int64>
        var values: ArraySlice<Double>
    }

    /// One or more pieces for each series, ascending by series, those of one series ascending by time.
    mutating func pieces() -> [Piece] {
        closeRun()
        var pieces: [Piece] = []
        pieces.reserveCapacity(runs.count)
        // Senders mostly keep an order, and series are numbered as they first came.
        let ordered =
            zip(runs, runs.dropFirst()).allSatisfy { $0.series < $1.series }
            ? Array(runs.indices)
            : runs.indices.sorted {
                runs[$0].series == runs[$1].series ? $0 < $1 : runs[$0].series < runs[$1].series
            }
        var index = 0
        while index < ordered.count {
            let run = runs[ordered[index]]
            var next = index + 1
            while next < ordered.count, runs[ordered[next]].series == run.series { next += 1 }
            var (times, numbers) = (timestamps[run.range], values[run.range])
            for more in ordered[index + 1..<next] {
                times += timestamps[runs[more].range]
                numbers += values[runs[more].range]
            }
            Self.settle(&times, &numbers)
            Self.cut(run.series, times, numbers, into: &pieces)
            index = next
        }
        return pieces
    }

    private static func settle(_ times: inout ArraySlice<Int64>, _ numbers: inout ArraySlice<Double>) {
        guard zip(times, times.dropFirst()).contains(where: { $0 >= $1 }) else { return }
        let offset = numbers.startIndex - times.startIndex
        let order = times.indices.sorted { times[$0] == times[$1] ? $0 < $1 : times[$0] < times[$1] }
        var kept: [Int] = []
        for index in order {
            if let last = kept.last, times[last] == times[index] { kept.removeLast() }
            kept.append(index)
        }
        let sorted = (kept.map { times[$0] }, kept.map { numbers[$0 + offset] })
        times = sorted.0[...]
        numbers = sorted.1[...]
    }

    private static func cut(
        _ series: PushedSeriesID, _ times: ArraySlice<Int64>, _ numbers: ArraySlice<Double>, into pieces: inout [Piece]
    ) {
        var taken = 0
        var ordinal = 0
        while taken < times.count {
            let count = min(runSamplesMax, times.count - taken)
            pieces.append(
                Piece(
                    series: series, ordinal: ordinal, timestamps: times.dropFirst(taken).prefix(count),
                    values: numbers.dropFirst(taken).prefix(count)))
            taken += count
            ordinal += 1
        }
    }
}
