import Telemetry

/// What one sample must look like in a family of each type.
extension OpenMetricsFamily {
    func checkLabels(_ sample: OpenMetricsSample, _ suffix: String) throws(InterchangeError) {
        switch (metadata.type, suffix) {
        case (.histogram, "_bucket"), (.gaugehistogram, "_bucket"):
            guard let bound = sample["le"] else { throw sample.error("a bucket without label \"le\"") }
            guard let value = NumberText.number(bound), !value.isNaN else {
                throw sample.error("the bucket's bound le=\"\(bound)\" is not a number")
            }
            guard value != .infinity || bound == "+Inf" else {
                throw sample.error("the bound of infinity must be written le=\"+Inf\"")
            }
        case (.histogram, _), (.gaugehistogram, _):
            guard sample["le"] == nil else { throw sample.error("label \"le\" outside of a bucket") }
        case (.summary, ""):
            guard let quantile = sample["quantile"] else { throw sample.error("a summary without label \"quantile\"") }
            guard let value = NumberText.number(quantile), (0...1).contains(value) else {
                throw sample.error("quantile=\"\(quantile)\" is not between 0 and 1")
            }
        case (.summary, _):
            guard sample["quantile"] == nil else { throw sample.error("label \"quantile\" outside of a quantile") }
        case (.stateset, _):
            guard sample[name] != nil else {
                throw sample.error("a state without label \"\(name)\", which names the state")
            }
        default: break
        }
    }

    func checkValue(_ sample: OpenMetricsSample, _ suffix: String) throws(InterchangeError) {
        let value = sample.value
        switch suffix {
        case "_total", "_sum":
            guard value >= 0 else { throw sample.error("\(sample.name) must be neither negative nor NaN") }
        case "_bucket", "_count", "_gcount":
            guard value >= 0, value.rounded() == value, value.isFinite else {
                throw sample.error("\(sample.name) must be a whole number from 0")
            }
        case "_gsum":
            guard !value.isNaN else { throw sample.error("\(sample.name) must not be NaN") }
        case "_created":
            guard value.isFinite else { throw sample.error("\(sample.name) must be a time in seconds") }
        default:
            switch metadata.type {
            case .info:
                guard value == 1 else { throw sample.error("the value of an info must be 1") }
            case .stateset:
                guard value == 0 || value == 1 else { throw sample.error("the value of a state must be 0 or 1") }
            case .summary:
                guard !(value < 0) else { throw sample.error("the value of a quantile must not be negative") }
            default: break
            }
        }
        guard let exemplar = sample.exemplar else { return }
        switch (metadata.type, suffix) {
        case (.counter, "_total"): break
        case (.histogram, "_bucket"), (.gaugehistogram, "_bucket"):
            guard let bound = sample["le"].flatMap(NumberText.number), !(exemplar.value > bound) else {
                throw sample.error("the exemplar's value is above its bucket's bound")
            }
        default: throw sample.error("only counters and buckets can have exemplars")
        }
    }
}

/// One point of a histogram or gauge histogram while its samples come in.
struct OpenMetricsHistogram {
    private var line = 0
    private var bound: Double?
    private var bucketValue = 0.0
    private var count: Double?
    private var hasSum = false
    private var hasNegativeGaugeSum = false
    private var hasNegativeBound = false
    private var isGauge = false

    mutating func add(_ sample: OpenMetricsSample, _ suffix: String) throws(InterchangeError) {
        line = sample.line
        switch suffix {
        case "_bucket":
            let next = sample["le"].flatMap(NumberText.number) ?? .infinity
            if let bound, bound >= next { throw sample.error("the bounds of the buckets must increase") }
            guard sample.value >= bucketValue else { throw sample.error("the values of the buckets decrease") }
            bound = next
            bucketValue = sample.value
            if next < 0 { hasNegativeBound = true }
        case "_count", "_gcount": count = sample.value
        case "_sum": hasSum = true
        case "_gsum":
            hasSum = true
            isGauge = true
            hasNegativeGaugeSum = sample.value < 0
        default: break
        }
    }

    /// Judges the point and starts over. Does nothing when no sample came.
    mutating func finish(_ name: String) throws(InterchangeError) {
        guard line > 0 else { return }
        let point = self
        self = OpenMetricsHistogram()
        func error(_ reason: String) -> InterchangeError {
            InterchangeError(.line(point.line), "histogram \"\(name)\": \(reason)")
        }
        guard point.bound == .infinity else { throw error("there is no bucket le=\"+Inf\"") }
        guard point.hasSum == (point.count != nil) else { throw error("sum and count must both be there, or neither") }
        if let count = point.count, count != point.bucketValue {
            throw error("the count differs from bucket le=\"+Inf\"")
        }
        guard point.hasNegativeBound else {
            if point.hasNegativeGaugeSum { throw error("a negative sum without negative buckets") }
            return
        }
        // A gauge histogram's sum may be negative; a counter with negative observations would not be one.
        guard !point.hasSum || point.isGauge else { throw error("a sum beside negative buckets") }
    }
}
