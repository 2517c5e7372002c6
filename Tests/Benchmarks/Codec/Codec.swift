import Compression
import Glibc
import RuntimeSupport
import Telemetry
import TestSupport
import WireFormat

/// Prints sizes and speeds of the columnar codecs on recorded kernel metrics.
/// Usage: `CodecBenchmark [DIRECTORY]`, a directory that holds `proc-1s/`; default `STAGEBOX_DATA_DIR`.
@main
struct CodecBenchmark {
    static func main() throws {
        guard let directory = CommandLine.arguments.dropFirst().first ?? DataDirectories.data else {
            print("usage: CodecBenchmark DIRECTORY (one that holds proc-1s), or set STAGEBOX_DATA_DIR")
            return
        }
        let recording = try ProcRecording(dataDirectory: directory)
        print("\(recording.values.count) series, \(recording.timestamps.count) ticks; one thread, zstd level 3")
        for (label, ticks) in [("wire blocks of 1 sample", 1), ("wire blocks of 10 samples", 10)] {
            try blocks(recording, label, ticks: ticks)
        }
        let (times, values) = (recording.timestamps, recording.values)
        try chunks(times, values, "chunk groups of 120 samples", ticks: 120, level: 3)
        try chunks(times, values, "chunk groups of 120 samples, level 1", ticks: 120, level: 1)
        try chunks(times, values, "one chunk group of the whole pass", ticks: times.count, level: 3)
        let fleet = (0..<5 * FleetSamples.seriesPerHost).map { number in
            let (host, series) = number.quotientAndRemainder(dividingBy: FleetSamples.seriesPerHost)
            var source = FleetSamples(host: host, series: series)
            return (0..<720).map { _ in source.sample() }
        }
        let ticks = (0..<720).map { Int64($0) * 10_000 }
        try chunks(ticks, fleet, "chunk groups of 720 samples of made-up servers, mostly noise", ticks: 720, level: 3)
        try events()
    }

    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The best of several runs, seconds.
    static func best(_ runs: Int = 7, _ body: () throws -> Void) rethrows -> Double {
        var best = Double.infinity
        for _ in 0..<runs {
            let start = now()
            try body()
            best = min(best, now() - start)
        }
        return best
    }

    static func report(_ label: String, _ figures: [(String, Double, Int)]) {
        let text = figures.map { "\($0.0) \(fixed($0.1, $0.2))" }.joined(separator: ", ")
        print("\(label): \(text)")
    }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((value * scale).rounded())
        guard digits > 0 else { return "\(whole)" }
        let fraction = String(whole % Int(scale))
        return "\(whole / Int(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}
