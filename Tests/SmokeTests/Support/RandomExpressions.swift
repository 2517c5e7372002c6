import RuntimeSupport

/// Random expressions over the series of ``RandomSeries``, of the language that Prometheus 2.42 has.
///
/// Evaluation times are to lie 7 s behind a multiple of 30 s. Then no sample and no step of a subquery lies at the
/// edge of a window, where Prometheus 3 reads windows without and 2.42 with their left edge: widths of subqueries are
/// no multiples of their steps, and samples lie at odd milliseconds.
struct RandomExpressions {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func next() -> String {
        chance(8) ? scalar(2) : vector(Int.random(in: 1...4, using: &random))
    }

    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func number() -> String {
        pick(["0", "1", "2", "-1", "0.5", "3.25", "10", "100", "1e3", "-0.25", "Inf", "NaN"])
    }

    private mutating func scalar(_ depth: Int) -> String {
        guard depth > 0 else { return number() }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return "time()"
        case 1: return "scalar(\(vector(depth - 1)))"
        case 2: return "(\(scalar(depth - 1)) \(pick(Self.arithmetic)) \(scalar(depth - 1)))"
        case 3: return "(\(scalar(depth - 1)) \(pick(Self.comparisons)) bool \(scalar(depth - 1)))"
        case 4: return "-\(scalar(depth - 1))"
        default: return number()
        }
    }

    private static let arithmetic = ["+", "-", "*", "/", "%", "^", "atan2"]
    private static let comparisons = ["==", "!=", ">", "<", ">=", "<="]

    private mutating func matchers() -> String {
        guard chance(45) else { return "" }
        let one = pick([
            "job=\"a\"", "job!=\"b\"", "job=~\"a|c\"", "job!~\"a.*\"", "zone=\"\"", "zone!=\"\"", "zone=~\"x|y\"",
            "job=~\".+\"", "none=\"\"", "none=~\".*\"",
        ])
        return chance(25) ? "{\(one),\(pick(["zone=\"x\"", "job=\"a\"", "zone!~\"z\""]))}" : "{\(one)}"
    }

    private mutating func shift() -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: " offset \(pick(["30s", "1m", "5m", "-1m", "-2m30s"]))"
        case 1: " @ \(pick(["1700000677", "1700001007.000", "start()", "end()"]))"
        case 2: " @ 1700001367 offset 90s"
        default: ""
        }
    }

    private mutating func gauge() -> String { "\(pick(["level", "level", "load", "sparse"]))\(matchers())" }
    private mutating func counter() -> String { "\(pick(["hits_total", "hits_total", "bytes_total"]))\(matchers())" }

    private mutating func range(_ depth: Int, counter isCounter: Bool) -> String {
        if depth > 0, chance(25) {
            let inner = isCounter ? counter() : vector(depth - 1)
            let width = pick(["5m10s", "2m11s", "10m20s"])
            let step = pick(["30s", "60s", "", "1m"])
            return "(\(inner))[\(width):\(step)]\(shift())"
        }
        let selector = isCounter ? counter() : gauge()
        return "\(selector)[\(pick(["45s", "1m", "2m", "5m", "7m30s", "15m"]))]\(shift())"
    }

    private mutating func grouping() -> String {
        pick(["", "", " by (job)", " by (zone)", " without (zone)", " by (job, zone)", " without (job, le)", " by ()"])
    }

    private mutating func vector(_ depth: Int) -> String {
        guard depth > 0 else { return pick([gauge(), counter()]) + shift() }
        switch Int.random(in: 0..<20, using: &random) {
        case 0, 1: return "\(chance(50) ? gauge() : counter())\(shift())"
        case 2, 3: return "\(pick(["rate", "increase", "irate", "resets"]))(\(range(depth - 1, counter: true)))"
        case 4, 5:
            return
                "\(pick(["avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time", "present_over_time", "changes", "delta", "idelta", "deriv"]))(\(range(depth - 1, counter: false)))"
        case 6:
            return
                "quantile_over_time(\(pick(["0", "0.3", "0.5", "0.9", "1", "2", "-1"])), \(range(depth - 1, counter: false)))"
        case 7: return "predict_linear(\(range(depth - 1, counter: false)), \(pick(["60", "-30", "3600"])))"
        case 8, 9, 10:
            let name = pick(["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
            return "\(name)\(grouping()) (\(vector(depth - 1)))"
        case 11:
            // Which of equal values topk takes is nobody's promise: gauges of different series differ.
            return pick([
                "topk\(grouping()) (\(pick(["1", "2", "3"])), \(gauge())\(shift()))",
                "bottomk\(grouping()) (\(pick(["1", "2", "0"])), -\(gauge()) * 2)",
                "quantile\(grouping()) (\(pick(["0.25", "0.5", "0.99"])), \(vector(depth - 1)))",
                "count_values(\"value\", \(vector(0)))",
            ])
        case 12, 13: return binary(depth)
        case 14: return "(\(vector(depth - 1)) \(pick(Self.arithmetic)) \(scalar(depth - 1)))"
        case 15:
            return
                "(\(scalar(depth - 1)) \(pick(Self.comparisons))\(pick(["", " bool"])) \(vector(depth - 1)))"
        case 16:
            return
                "\(pick(["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "sin", "cos", "tanh", "atan", "deg", "rad", "timestamp", "minute", "hour", "day_of_week", "days_in_month"]))(\(vector(depth - 1)))"
        case 17:
            return pick([
                "round(\(vector(depth - 1)), \(pick(["1", "0.5", "10"])))", "clamp(\(vector(depth - 1)), -2, 50)",
                "clamp_min(\(vector(depth - 1)), 1)", "clamp_max(\(vector(depth - 1)), 10)",
                "absent(\(vector(depth - 1)))", "absent_over_time(\(range(depth - 1, counter: false)))",
                "vector(\(scalar(depth - 1)))", "sort(\(vector(depth - 1)))",
            ])
        case 18:
            return pick([
                "label_replace(\(vector(depth - 1)), \"copy\", \"$1-x\", \"job\", \"(.*)\")",
                "label_join(\(vector(depth - 1)), \"both\", \"/\", \"job\", \"zone\")",
                "histogram_quantile(\(pick(["0.1", "0.5", "0.95"])), sum by (le, job) (rate(wait_bucket\(pick(["", "{job=\"a\"}"]))[\(pick(["2m", "5m"]))])))",
                "histogram_quantile(\(pick(["0", "0.5", "1"])), wait_bucket)",
            ])
        default: return "-(\(vector(depth - 1)))"
        }
    }

    private mutating func binary(_ depth: Int) -> String {
        let left = vector(depth - 1)
        let right = vector(depth - 1)
        if chance(30) {
            return "(\(left) \(pick(["and", "or", "unless"]))\(pick(["", " on (job)", " ignoring (zone)"])) \(right))"
        }
        let operation = chance(60) ? pick(Self.arithmetic) : pick(Self.comparisons) + pick(["", " bool"])
        let matching = pick([
            "", "", " on (job)", " ignoring (zone)", " on (job) group_left ()", " on (job) group_right (zone)",
            " ignoring (zone) group_left (zone)", " on (job, zone)",
        ])
        return "(\(left) \(operation)\(matching) \(right))"
    }
}
