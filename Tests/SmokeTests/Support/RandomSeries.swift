import Interchange
import PromQL
import RuntimeSupport
import Telemetry

/// Random samples of gauges, counters with resets and classic histograms over ``minutes``, with gaps and series that
/// begin and end. Times lie at odd milliseconds, never at a whole second.
struct RandomSeries {
    /// 2023-11-14T22:13:20Z.
    static let start: Int64 = 1_700_000_000_000
    static let minutes: Int64 = 50

    private(set) var series: [(key: SeriesKey, timestamps: [Int64], values: [Double])] = []
    private var random: SeededGenerator

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        for job in ["a", "b", "c"] {
            for zone in ["x", "y", ""] {
                let labels = [Label("job", job)] + (zone.isEmpty ? [] : [Label("zone", zone)])
                for name in ["level", "load", "sparse"] {
                    // No two series have equal values.
                    let own = Double(series.count) / 1024
                    add(name, labels, everyMilliseconds: name == "sparse" ? 170_000 : 15_000) { previous, random in
                        switch Int.random(in: 0..<40, using: &random) {
                        case 0: own
                        case 1: (name == "load" ? 1e6 : -50.5) + own
                        case 2...14 where previous != 0: previous
                        default: Double(Int.random(in: -400...4000, using: &random)) / 16 + own
                        }
                    }
                }
                for name in ["hits_total", "bytes_total"] {
                    let scale = name == "hits_total" ? 1.0 : 1024.0
                    add(name, labels, everyMilliseconds: 15_000) { previous, random in
                        // After a reset counters stand high enough that extrapolation never reaches zero.
                        if previous == 0 || Int.random(in: 0..<60, using: &random) == 0 {
                            return scale * Double(Int.random(in: 50_000...60_000, using: &random))
                        }
                        return previous + scale * Double(Int.random(in: 0...200, using: &random))
                    }
                }
            }
            addHistogram(job)
        }
    }

    private mutating func times(everyMilliseconds: Int64) -> [Int64] {
        var times: [Int64] = []
        var time = Self.start
        let end = Self.start + Self.minutes * 60_000
        // Some series begin later or end earlier.
        if chance(20) { time += Int64.random(in: 1...1200, using: &random) * 1000 }
        let last = chance(20) ? end - Int64.random(in: 1...1200, using: &random) * 1000 : end
        while time < last {
            if chance(97) { times.append(time + Int64.random(in: 0..<10, using: &random) * 1000 + 1 + odd()) }
            // A gap longer than the look-back.
            time += chance(1) ? 420_000 : everyMilliseconds
        }
        return times
    }

    private mutating func odd() -> Int64 { Int64.random(in: 0..<499, using: &random) * 2 }
    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func add(
        _ name: String, _ labels: [Label], everyMilliseconds: Int64,
        _ next: (Double, inout SeededGenerator) -> Double
    ) {
        let times = times(everyMilliseconds: everyMilliseconds)
        var value = 0.0
        var values: [Double] = []
        for _ in times {
            value = next(value, &random)
            values.append(value)
        }
        // A marker ends some series at once.
        if chance(30), let last = values.indices.last { values[last] = StalenessMarker.value }
        series.append((SeriesKey(name: name, labels: labels), times, values))
    }

    private mutating func addHistogram(_ job: String) {
        let bounds = ["0.1", "0.5", "1", "5", "+Inf"]
        let times = times(everyMilliseconds: 15_000)
        var counts = bounds.map { _ in 0.0 }
        var columns = bounds.map { _ in [Double]() }
        for _ in times {
            var sum = 0.0
            for index in bounds.indices {
                sum += Double(Int.random(in: 0...9, using: &random))
                counts[index] += sum
                columns[index].append(counts[index] + 1e6 * Double(index + 1))
            }
        }
        for (index, bound) in bounds.enumerated() {
            let key = SeriesKey(name: "wait_bucket", labels: [Label("job", job), Label("le", bound)])
            series.append((key, times, columns[index]))
        }
    }

    /// A body of remote write 1.0, not yet compressed.
    var body: [UInt8] {
        var encoder = RemoteWriteEncoder(.one)
        for entry in series { encoder.add(entry.key, timestamps: entry.timestamps, values: entry.values) }
        return encoder.finish()
    }
}
