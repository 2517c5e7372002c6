import Glibc
import PromQL
import Telemetry

/// Prints what the query engine alone costs, over made-up series that cost next to nothing to read: processor
/// milliseconds of the best of several runs for evaluating and for writing the answer.
/// Usage: `QueryBenchmark [SERIES]`, default 100000 for instant queries; range queries take a hundredth.
@main
struct QueryBenchmark {
    static func main() throws {
        let series = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100_000
        print("\(series) series, instant")
        for query in [
            "sum by (region) (node_cpu_seconds_total)", "node_cpu_seconds_total > 0",
            "sum by (instance) (rate(node_cpu_seconds_total[5m]))", "topk(10, node_cpu_seconds_total)",
            "quantile by (region) (0.95, node_cpu_seconds_total)",
            "node_cpu_seconds_total / on (instance, cpu, mode) node_cpu_seconds_total",
        ] {
            try measure(query, SyntheticSeries(count: series), steps: 1)
        }
        let few = max(1, series / 100)
        print("\(few) series over a day of 15 s, 1000 steps")
        for query in [
            "node_cpu_seconds_total", "sum by (region) (rate(node_cpu_seconds_total[5m]))",
            "avg(avg_over_time(node_cpu_seconds_total[1h]))", "max_over_time(node_cpu_seconds_total[1h])",
            "quantile_over_time(0.9, node_cpu_seconds_total[10m])", "topk(5, node_cpu_seconds_total)",
        ] {
            try measure(query, SyntheticSeries(count: few), steps: 1000)
        }
    }

    private static func measure(_ query: String, _ source: SyntheticSeries, steps: Int64) throws {
        let engine = QueryEngine(source: source)
        let end: Int64 = 86_400_000
        var best = (evaluation: Double.infinity, encoding: Double.infinity)
        var bytes = 0
        for _ in 0..<5 {
            let start = processorSeconds()
            let result =
                steps == 1
                ? try engine.instant(query, at: Timestamp(milliseconds: end - 7))
                : try engine.range(
                    query, start: Timestamp(milliseconds: end / 1000), end: Timestamp(milliseconds: end),
                    step: end / steps)
            let evaluated = processorSeconds()
            bytes = ResultEncoder.bytes(result).count
            best = (min(best.evaluation, evaluated - start), min(best.encoding, processorSeconds() - evaluated))
        }
        let milliseconds = { (seconds: Double) in "\((seconds * 10_000).rounded() / 10) ms" }
        print("  \(milliseconds(best.evaluation)) + \(milliseconds(best.encoding)) (\(bytes) B): \(query)")
    }

    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Counters of a fleet, a sample every 15 s for a day, computed as they are read.
private struct SyntheticSeries: SeriesSource {
    private static let interval: Int64 = 15_000
    private let keys: [SeriesKey]

    init(count: Int) {
        keys = (0..<count).map { number in
            SeriesKey(
                name: "node_cpu_seconds_total",
                labels: [
                    Label("instance", "edge-\(number / 16).example.org:9100"), Label("job", "node"),
                    Label("cpu", "\(number % 8)"), Label("mode", number % 16 < 8 ? "idle" : "user"),
                    Label("region", "region-\(number / 16 % 10)"), Label("site", "site-\(number / 16 % 100)"),
                ])
        }
    }

    func select(_ request: SeriesRequest) -> any SeriesSelection { Selection(keys: keys, request: request) }

    private struct Selection: SeriesSelection {
        let keys: [SeriesKey]
        let request: SeriesRequest
        var count: Int { keys.count }
        func labels(at position: Int) -> SeriesKey { keys[position] }
        func makeReader() -> any SampleReader { Reader(request: request) }
    }

    private struct Reader: SampleReader {
        let request: SeriesRequest

        mutating func read(_ position: Int, into buffer: inout SampleBuffer) {
            let interval = SyntheticSeries.interval
            let last = request.range.upperBound / interval * interval
            var time = max(0, (request.range.lowerBound + interval - 1) / interval * interval)
            if request.hints.needsOnlyLast { time = max(time, last) }
            while time <= last {
                buffer.append(time, Double(time / 1000) * Double(position % 7 + 1))
                time += interval
            }
        }
    }
}
