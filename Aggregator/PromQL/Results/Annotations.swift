/// What a query's answer should be read with: each text once, in the order of appearance.
package struct Annotations: Sendable, Hashable {
    /// Something may be wrong with the answer.
    package private(set) var warnings: [String] = []
    package private(set) var infos: [String] = []

    package init() {}

    package var isEmpty: Bool { warnings.isEmpty && infos.isEmpty }

    package mutating func warn(_ text: String) {
        if !warnings.contains(text) { warnings.append(text) }
    }
    package mutating func inform(_ text: String) {
        if !infos.contains(text) { infos.append(text) }
    }
}

/// Collects annotations with the place in the query that they are about. Bounded: ``kindsMax`` different ones.
struct AnnotationCollector {
    static let kindsMax = 1000

    let text: String
    private(set) var annotations = Annotations()
    private var corrections: [Correction.Key: Correction] = [:]
    private var correctionOrder: [Correction.Key] = []

    init(text: String) { self.text = text }

    mutating func warn(_ message: String, at span: SourceSpan) {
        guard annotations.warnings.count < Self.kindsMax else { return }
        annotations.warn("PromQL warning: \(message) (\(span.startText(in: text)))")
    }

    mutating func inform(_ message: String, at span: SourceSpan) {
        guard annotations.infos.count < Self.kindsMax else { return }
        annotations.inform("PromQL info: \(message) (\(span.startText(in: text)))")
    }

    mutating func warnUnplaced(_ message: String) {
        guard annotations.warnings.count < Self.kindsMax else { return }
        annotations.warn(message)
    }

    mutating func informUnplaced(_ message: String) {
        guard annotations.infos.count < Self.kindsMax else { return }
        annotations.inform(message)
    }

    mutating func invalidQuantile(_ value: Double, at span: SourceSpan) {
        warn("quantile value should be between 0 and 1, got \(FloatText.shortest(value))", at: span)
    }

    /// Notes that a histogram's buckets did not rise; told once per metric, with how far they fell.
    mutating func forcedMonotonicity(
        _ metric: String, at span: SourceSpan, time: Int64, buckets: ClosedRange<Double>, difference: Double
    ) {
        let key = Correction.Key(metric: metric, span: span)
        if corrections[key] == nil {
            guard corrections.count < Self.kindsMax else { return }
            correctionOrder.append(key)
        }
        corrections[key, default: Correction(time: time, buckets: buckets, difference: difference)].add(
            time: time, buckets: buckets, difference: difference)
    }

    /// All of them.
    var result: Annotations {
        var result = annotations
        for key in correctionOrder {
            guard let correction = corrections[key] else { continue }
            let name = key.metric.isEmpty ? "" : " for metric name \(GoText.quoted(key.metric))"
            result.inform(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
                    + "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)\(name)"
                    + "\(correction.text) (\(key.span.startText(in: text)))")
        }
        return result
    }

    private struct Correction {
        struct Key: Hashable {
            let metric: String
            let span: SourceSpan
        }
        private var times: ClosedRange<Int64>
        private var buckets: ClosedRange<Double>
        private var difference: Double
        private var count = 0

        init(time: Int64, buckets: ClosedRange<Double>, difference: Double) {
            times = time...time
            self.buckets = buckets
            self.difference = difference
        }

        mutating func add(time: Int64, buckets: ClosedRange<Double>, difference: Double) {
            times = min(times.lowerBound, time)...max(times.upperBound, time)
            self.buckets =
                min(self.buckets.lowerBound, buckets.lowerBound)...max(self.buckets.upperBound, buckets.upperBound)
            self.difference = max(self.difference, difference)
            count += 1
        }

        var text: String {
            ", from buckets \(FloatText.shortest(buckets.lowerBound)) to \(FloatText.shortest(buckets.upperBound)), "
                + "with a max diff of \(FloatText.significant(difference, 2)), over \(count) samples from "
                + "\(InstantText.format(times.lowerBound / 1000)) to \(InstantText.format(times.upperBound / 1000))"
        }
    }
}

/// Whole seconds since 1970 as `2006-01-02T15:04:05Z`.
enum InstantText {
    static func format(_ seconds: Int64) -> String {
        func field(_ field: CalendarField, _ digits: Int) -> String {
            let text = "\(Int64(field.value(at: seconds)))"
            return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
        }
        let rest = ((seconds % 60) + 60) % 60
        return "\(field(.year, 4))-\(field(.month, 2))-\(field(.dayOfMonth, 2))T\(field(.hour, 2)):"
            + "\(field(.minute, 2)):\(rest < 10 ? "0" : "")\(rest)Z"
    }
}
