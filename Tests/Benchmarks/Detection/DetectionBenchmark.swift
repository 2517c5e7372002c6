import Detection
import Glibc
import RuntimeSupport

/// Times the kernels of `Detection`, CPU seconds on one thread, one `name value` a line; where `--rows FILE` says, leaves
/// the rows there, as 32-bit floats, for a peer to time (`Packaging/scripts/bench-detect-kernels`).
@main
struct DetectionBenchmark {
    static let columns = 5
    static let forestRows = 100_000
    static let windowRows = 2_000
    static let clusterRows = 20_000
    static let radii = ["0.3", "0.5", "1.0"]

    static func main() throws {
        let rows = rows()
        if let option = CommandLine.arguments.firstIndex(of: "--rows"), option + 1 < CommandLine.arguments.count {
            guard write(rows, to: CommandLine.arguments[option + 1]) else {
                print("cannot write \(CommandLine.arguments[option + 1])")
                exit(1)
            }
        }
        try forests(rows)
        try densities(rows)
    }

    /// Three clusters, nearly normal, and 5 % scattered between and around them.
    static func rows() -> [Float] {
        var random = SeededGenerator(seed: 1)
        return (0..<forestRows).flatMap { row -> [Float] in
            let centre = Float(random.next() % 3) * 4
            return (0..<columns).map { _ in
                if row % 20 == 0 { return Float.random(in: -6..<14, using: &random) }
                var sum: Float = -6
                for _ in 0..<12 { sum += Float.random(in: 0..<1, using: &random) }
                return centre + sum
            }
        }
    }

    static func forests(_ rows: [Float]) throws {
        let window = rows.span.extracting(0..<windowRows * columns)
        var random = SeededGenerator(seed: 2)
        var forest = try IsolationForest(rows: window, columns: columns, using: &random)
        try report(
            "forest_fit_milliseconds",
            1e3
                * best(9) {
                    forest = try IsolationForest(rows: window, columns: columns, using: &random)
                })
        var scores: [Double] = []
        let batch = try best(7) { try forest.score(rows: rows.span, into: &scores) }
        report("forest_points_per_second", Double(forestRows) / batch)
        report("forest_point_microseconds", perPoint { forest.score($0) })
        let planes = try IsolationForest(
            rows: window, columns: columns, parameters: .init(terms: columns), using: &random)
        report("hyperplanes_point_microseconds", perPoint { planes.score($0) })

        var small = try CompactForest(rows: window, columns: columns, using: &random)
        try report(
            "compact_fit_microseconds",
            1e6
                * best(9) {
                    small = try CompactForest(
                        rows: rows.span.extracting(0..<256 * columns), columns: columns, using: &random)
                })
        report("compact_point_microseconds", perPoint { small.score($0) })
        report("compact_bytes", Double(small.sizeBytes))

        func perPoint(_ score: (Span<Float>) -> Double?) -> Double {
            1e6 / Double(windowRows)
                * best(7) {
                    for row in 0..<windowRows { keep(score(rows.span.extracting(row * columns..<(row + 1) * columns))) }
                }
        }
    }

    static func densities(_ rows: [Float]) throws {
        let points = rows.span.extracting(0..<clusterRows * columns)
        for radius in radii {
            let parameters = try DBSCAN(radius: Double(radius) ?? 1, neighbours: 5)
            var clusters = 0
            let time = try best(3) { clusters = try parameters.cluster(rows: points, columns: columns).clusterCount }
            report("dbscan_\(radius)_milliseconds", 1e3 * time)
            report("dbscan_\(radius)_clusters", Double(clusters))
        }
        let window = rows.span.extracting(0..<windowRows * columns)
        report("choice_milliseconds", 1e3 * (try best(5) { _ = try DBSCAN.chosen(rows: window, columns: columns) }))
        let cores = try CorePoints(
            rows: window, columns: columns, parameters: DBSCAN(radius: 1, neighbours: 5), limit: 64)
        let query = best(7) {
            for row in 0..<windowRows { keep(cores.score(rows.span.extracting(row * columns..<(row + 1) * columns))) }
        }
        report("cores_point_microseconds", 1e6 * query / Double(windowRows))
    }

    @inline(never)
    static func keep(_ value: Double?) {}

    /// CPU seconds of the quickest run.
    static func best(_ runs: Int, _ body: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        var best = Double.infinity
        for _ in 0..<runs {
            let start = now()
            try body()
            best = min(best, now() - start)
        }
        return best
    }

    static func report(_ name: String, _ value: Double) { print(name, (value * 1000).rounded() / 1000) }

    static func write(_ rows: [Float], to path: String) -> Bool {
        guard let file = fopen(path, "w") else { return false }
        defer { fclose(file) }
        return rows.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
    }
}
