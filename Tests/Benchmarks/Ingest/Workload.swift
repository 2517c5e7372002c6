import RuntimeSupport
import Telemetry
import TestSupport

/// What the simulated agents report: 500 series of recorded kernel metrics, for each agent from another second on.
///
/// Without a recording random walks take its place.
struct Workload {
    static let seriesCount = 500

    let descriptors: [SeriesDescriptor]
    private let columns: [[Double]]
    /// What a counter adds when the recording begins again; 0 for gauges.
    private let lap: [Double]

    /// - Parameter directory: one that holds `proc-1s`; nil: random walks.
    init(directory: String?) throws {
        guard let directory else {
            (descriptors, columns) = Self.walks(seed: 7)
            lap = columns.enumerated().map { $0.offset % 2 == 0 ? ($0.element.last ?? 0) - ($0.element.first ?? 0) : 0 }
            return
        }
        let recording = try ProcRecording(dataDirectory: directory)
        let count = min(Self.seriesCount, recording.names.count)
        columns = Array(recording.values.prefix(count))
        lap = (0..<count).map { series in
            let column = recording.values[series]
            return recording.isCounter[series] ? (column.last ?? 0) - (column.first ?? 0) : 0
        }
        descriptors = (0..<count).map { Self.descriptor($0, recording.names[$0], recording.isCounter[$0]) }
    }

    private static func walks(seed: UInt64) -> ([SeriesDescriptor], [[Double]]) {
        var generator = SeededGenerator(seed: seed)
        var columns: [[Double]] = []
        for series in 0..<seriesCount {
            var column = [Double(Int.random(in: 0..<100_000, using: &generator))]
            for tick in 1..<1500 {
                let step = Int.random(in: series % 2 == 0 ? 0...50 : -10...10, using: &generator)
                column.append(column[tick - 1] + Double(step))
            }
            columns.append(column)
        }
        return ((0..<seriesCount).map { descriptor($0, "bench_walk_\($0)", $0 % 2 == 0) }, columns)
    }

    private static func descriptor(_ number: Int, _ name: String, _ isCounter: Bool) -> SeriesDescriptor {
        let parts = name.split(separator: "{", maxSplits: 1)
        let metric = String(parts[0].map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        let detail = parts.count > 1 ? String(parts[1].dropLast()) : ""
        return SeriesDescriptor(
            key: SeriesKey(
                name: "bench_\(metric)", labels: [Label("detail", detail), Label("series", "\(number)")]),
            type: isCounter ? .counter : .gauge)
    }

    /// Series-major, `ticks` columns, as in a metric batch.
    func values(agent: Int, ticks: Range<Int>) -> [Double] {
        var values: [Double] = []
        values.reserveCapacity(columns.count * ticks.count)
        for (series, column) in columns.enumerated() {
            for tick in ticks {
                let (laps, position) = (tick + agent * 17).quotientAndRemainder(dividingBy: column.count)
                values.append(column[position] + Double(laps) * lap[series])
            }
        }
        return values
    }
}
