import Detection
package import Telemetry

/// One series under watch.
struct WatchedMetric {
    let descriptor: SeriesDescriptor
    let group: DetectionGroup
    private var detector: MetricDetector
    private var rate = CounterRate()
    private(set) var verdict = Verdict.unscored
    /// The gauge's value, or the counter's rate; NaN while unknown.
    private(set) var value = Double.nan
    /// When it was last seen, milliseconds since 1970.
    private(set) var lastAt: Int64
    private(set) var shape = RecentShape()
    /// It had two different values.
    private(set) var hasMoved = false
    private let isCumulative: Bool

    /// - Parameter number: stays with the metric while it is watched.
    init(
        _ descriptor: SeriesDescriptor, _ group: DetectionGroup, _ configuration: DetectorConfiguration, _ number: Int,
        at time: Int64
    ) {
        lastAt = time
        isCumulative = CumulativeSeries.contains(descriptor)
        self.descriptor = descriptor
        self.group = group
        detector = MetricDetector(configuration: configuration, series: UInt64(number))
    }

    /// - Parameter time: milliseconds since 1970.
    mutating func observe(_ sample: Double, at time: Int64) {
        // A clock that was set back begins anew; else nothing would be judged until it has caught up.
        if time < lastAt { detector.restartTime() }
        lastAt = time
        let before = value
        if isCumulative {
            guard let rate = rate.rate(of: sample, at: time) else {
                value = .nan
                verdict.alarm = false
                return
            }
            value = rate
        } else {
            value = sample
        }
        if value != before, !before.isNaN { hasMoved = true }
        verdict = detector.observe(value, at: time)
        shape.add(value, at: time)
    }

    /// Beyond it, in milliseconds, what was said of the last sample says nothing of now.
    static let freshMilliseconds: Int64 = 60_000

    func isFresh(at time: Int64) -> Bool { time - lastAt <= Self.freshMilliseconds }

    /// What is said of the last sample; an alarm is told once, however seldom samples come.
    mutating func takeVerdict() -> Verdict {
        defer { verdict.alarm = false }
        return verdict
    }

    var detectorBytes: [UInt8] { detector.bytes }
    /// - Returns: false when the bytes are no detector's; then it begins anew.
    mutating func restore(_ bytes: [UInt8], _ configuration: DetectorConfiguration) -> Bool {
        guard let former = try? MetricDetector(bytes: bytes, configuration: configuration) else { return false }
        detector = former
        return true
    }

    var wantsTraining: Bool { detector.wantsTraining }
    mutating func train() { detector.train() }
    var unscoredCount: UInt32 { detector.unscored }
    var stateBytes: Int { detector.stateBytes + shape.stateBytes + 128 }
}

/// Which series only grow, so that their rates are what is judged.
package enum CumulativeSeries {
    /// What the kernel counts, without a type as node_exporter gives it, and what among it are levels.
    private static let counted = ["node_vmstat_", "node_netstat_"]
    private static let levels = [
        "node_vmstat_nr_", "_CurrEstab", "_DefaultTTL", "_Forwarding", "_MaxConn", "_RtoAlgorithm", "_RtoMax",
        "_RtoMin",
    ]

    package static func contains(_ descriptor: SeriesDescriptor) -> Bool {
        let name = descriptor.key.name
        return switch descriptor.type {
        case .counter, .histogram: true
        case .summary: name.hasSuffix("_sum") || name.hasSuffix("_count")
        case .unknown:
            name.hasSuffix("_total")
                || counted.contains(where: name.hasPrefix)
                    && !levels.contains { name.hasPrefix($0) || name.hasSuffix($0) }
        case .gauge, .info, .stateset: false
        }
    }
}

/// The last minutes of a metric, a mean for every ten seconds.
struct RecentShape {
    static let count = 30
    static let stepMilliseconds: Int64 = 10_000

    /// Empty while all of them are `level`, as of most of a node's metrics.
    private var means: [Float] = []
    private var level: Float = 0
    /// Steps at `level`.
    private var rests = 0
    private var step = Int64.min
    private var sum = 0.0
    private var samples = 0.0

    mutating func add(_ value: Double, at time: Int64) {
        let now = time.quotientAndRemainder(dividingBy: Self.stepMilliseconds).quotient
        if now != step {
            close(upTo: now)
            step = now
        }
        sum += value
        samples += 1
    }

    private mutating func close(upTo now: Int64) {
        defer { (sum, samples) = (0, 0) }
        if step != .min {
            let mean = samples > 0 ? Float(sum / samples) : .nan
            if means.isEmpty {
                if rests == 0 { level = mean }
                if mean == level, now - step == 1 {
                    rests = min(rests + 1, Self.count - 1)
                    return
                }
                means.append(contentsOf: repeatElement(level, count: rests))
                rests = 0
            }
            means.append(mean)
            // Steps without a sample; after a step back of the clock, or a long silence, the shape begins anew.
            let silent = now - step - 1
            if silent < 0 || silent >= Int64(Self.count) {
                means.removeAll(keepingCapacity: true)
            } else {
                means.append(contentsOf: repeatElement(.nan, count: Int(silent)))
            }
            if means.count >= Self.count { means.removeFirst(means.count - Self.count + 1) }
        }
    }

    var stateBytes: Int { means.count * MemoryLayout<Float>.size }

    /// nil while nothing is known.
    var finding: Finding.Shape? {
        guard step != .min, samples > 0 else { return nil }
        let values = (means.isEmpty ? [Float](repeating: level, count: rests) : means) + [Float(sum / samples)]
        let start = (step - Int64(values.count - 1)) * Self.stepMilliseconds
        return Finding.Shape(
            start: Timestamp(milliseconds: start), stepMilliseconds: Self.stepMilliseconds, values: values)
    }
}
