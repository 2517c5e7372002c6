import PromQL
import PromQLScripts
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

/// Random expressions over random series: whatever they are, the engine answers or says why not.
@Suite(.ownThread) struct PropertyTests {
    private struct Generator {
        var random: SeededGenerator
        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: 0..<elements.count, using: &random)]
        }
        mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

        mutating func selector() -> String {
            let name = pick(["a", "b", "c_total", "h_bucket", "{__name__=~\"a|b\"}", "{x=\"1\"}"])
            let matchers = name.hasPrefix("{") ? "" : pick(["", "{x=\"1\"}", "{x!=\"2\",y=~\"p|q\"}", "{x=~\".*\"}"])
            return name + matchers
        }
        mutating func modifiers() -> String {
            pick(["", "", "", " offset 30s", " offset -1m", " @ 120", " @ start()", " offset 1m @ end()"])
        }
        mutating func duration() -> String { pick(["1ms", "45s", "1m", "5m", "1h", "90", "100y"]) }

        mutating func range(_ depth: Int) -> String {
            if depth > 0, chance(30) {
                return "(\(vector(depth - 1)))[\(pick(["1m", "5m", "10m"])):\(pick(["", "20s", "1m"]))]\(modifiers())"
            }
            return "\(selector())[\(duration())]\(pick(["", "", "", " anchored", " smoothed"]))\(modifiers())"
        }
        mutating func scalar(_ depth: Int) -> String {
            guard depth > 0 else {
                return pick(["0", "1", "-2.5", "0.9", "1e300", "NaN", "(Inf)", "time()", "pi()", "5m"])
            }
            switch Int.random(in: 0..<5, using: &random) {
            case 0: return "scalar(\(vector(depth - 1)))"
            case 1:
                return "(\(scalar(depth - 1)) \(pick(["+", "-", "*", "/", "%", "^", "atan2"])) \(scalar(depth - 1)))"
            case 2: return "(\(scalar(depth - 1)) \(pick(["==", "<", ">="])) bool \(scalar(depth - 1)))"
            case 3: return pick(["step()", "range()", "start()", "end()"])
            default: return "-\(scalar(depth - 1))"
            }
        }
        mutating func grouping() -> String {
            pick(["", " by (x)", " by (x, y)", " without (x)", " by (le)", " by (__name__)", " without ()"])
        }
        mutating func matching() -> String {
            pick([
                "", "", " on (x)", " ignoring (x)", " on (x) group_left (y)", " ignoring (y) group_right ()",
                " on () fill (0)",
            ])
        }

        mutating func vector(_ depth: Int) -> String {
            guard depth > 0 else { return selector() + pick(["", "", " smoothed"]) + modifiers() }
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                let function = pick([
                    "rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets", "avg_over_time",
                    "count_over_time", "first_over_time", "last_over_time", "max_over_time", "min_over_time",
                    "sum_over_time", "stddev_over_time", "stdvar_over_time", "present_over_time", "absent_over_time",
                    "mad_over_time", "ts_of_max_over_time", "ts_of_first_over_time",
                ])
                return "\(function)(\(range(depth - 1)))"
            case 2:
                return pick([
                    "quantile_over_time(\(scalar(depth - 1)), \(range(depth - 1)))",
                    "predict_linear(\(range(depth - 1)), \(scalar(depth - 1)))",
                    "double_exponential_smoothing(\(range(depth - 1)), 0.5, \(scalar(0)))",
                ])
            case 3:
                let function = pick([
                    "abs", "ceil", "exp", "ln", "sgn", "sqrt", "sin", "acosh", "timestamp", "absent", "sort",
                    "sort_desc", "day_of_year", "days_in_month", "hour", "year", "histogram_count", "round",
                ])
                return "\(function)(\(vector(depth - 1)))"
            case 4:
                let function = pick(["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
                return "\(function)\(grouping()) (\(vector(depth - 1)))"
            case 5:
                let function = pick(["topk", "bottomk", "quantile", "limitk", "limit_ratio"])
                return "\(function)\(grouping()) (\(scalar(depth - 1)), \(vector(depth - 1)))"
            case 6:
                let operation = pick(["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<="])
                return "(\(vector(depth - 1)) \(operation)\(matching()) \(vector(depth - 1)))"
            case 7:
                let operation = pick(["and", "or", "unless"])
                return
                    "(\(vector(depth - 1)) \(operation)\(pick(["", " on (x)", " ignoring (x)"])) \(vector(depth - 1)))"
            case 8:
                let operation = pick(["+", "*", ">", "== bool", "^", "%"])
                return chance(50)
                    ? "(\(vector(depth - 1)) \(operation) \(scalar(depth - 1)))"
                    : "(\(scalar(depth - 1)) \(operation) \(vector(depth - 1)))"
            case 9:
                return pick([
                    "label_replace(\(vector(depth - 1)), \"x\", \"$1\", \"y\", \"(.*)\")",
                    "label_join(\(vector(depth - 1)), \"z\", \"-\", \"x\", \"y\")",
                    "count_values(\"v\", \(vector(depth - 1)))", "sort_by_label(\(vector(depth - 1)), \"x\")",
                    "info(\(vector(depth - 1)))",
                ])
            case 10:
                return pick([
                    "histogram_quantile(\(scalar(depth - 1)), \(vector(depth - 1)))",
                    "histogram_fraction(\(scalar(0)), \(scalar(0)), \(vector(depth - 1)))",
                    "clamp(\(vector(depth - 1)), \(scalar(0)), \(scalar(0)))", "vector(\(scalar(depth - 1)))",
                ])
            default: return "-\(vector(depth - 1))"
            }
        }
    }

    private static func source(_ generator: inout Generator) -> MemorySource {
        let source = MemorySource()
        for name in ["a", "b", "c_total", "h_bucket", "target_info"] {
            for x in ["1", "2"] {
                for y in ["p", "q"] {
                    var labels = [Label("x", x), Label("y", y), Label("instance", x), Label("job", "j")]
                    if name == "h_bucket" { labels.append(Label("le", generator.pick(["0.5", "1", "+Inf", "odd"]))) }
                    var points: [(time: Int64, value: Double?)] = []
                    var time: Int64 = 0
                    for _ in 0..<40 {
                        time += Int64.random(in: 1...30_000, using: &generator.random)
                        let value = generator.pick([
                            0, 1, -1, 2.5, 1e300, -1e300, .nan, .infinity, -.infinity, StalenessMarker.value,
                            Double.random(in: -100...100, using: &generator.random),
                        ])
                        points.append((time, value))
                    }
                    source.add(SeriesKey(name: name, labels: labels), points)
                }
            }
        }
        return source
    }

    @Test("random expressions answer or say why not", arguments: 1...20)
    func random(seed: Int) throws {
        var generator = Generator(random: SeededGenerator(seed: UInt64(seed)))
        let source = Self.source(&generator)
        var answered = 0
        for _ in 0..<150 {
            let text = generator.vector(Int.random(in: 0...4, using: &generator.random))
            let expression = try Parser.parse(text, options: .all)
            let printed = Printer.line(expression)
            #expect(Printer.line(try Parser.parse(printed, options: .all)) == printed, "seed \(seed): \(text)")
            for concurrency in [1, 4] {
                let engine = QueryEngine(
                    source: source,
                    options: QueryOptions(
                        parser: .all, limits: QueryLimits(samplesMax: 1_000_000), concurrency: concurrency))
                let time = Timestamp(milliseconds: Int64.random(in: -100_000...900_000, using: &generator.random))
                do {
                    let instant = try engine.instant(text, at: time)
                    _ = ResultEncoder.bytes(instant)
                    let range = try engine.range(
                        text, start: time, end: time.advanced(byMilliseconds: 300_000), step: 17_000)
                    _ = ResultEncoder.bytes(range)
                    answered += 1
                } catch let error as QueryError {
                    #expect(!error.message.isEmpty, "seed \(seed): \(text)")
                }
            }
        }
        #expect(answered > 50, "seed \(seed)")
    }

    @Test("expressions as deep as the parser lets through are evaluated")
    func deep() throws {
        let source = MemorySource()
        source.add(SeriesKey(name: "a", labels: []), [(0, 1)])
        let engine = QueryEngine(source: source, options: QueryOptions(parser: .all))
        for (open, close, middle) in [
            ("abs(", ")", "a"), ("(", ")", "a"), ("-", "", "a"), ("a+", "", "a"), ("sum(", ")", "a"),
        ] {
            let text = String(repeating: open, count: 240) + middle + String(repeating: close, count: 240)
            _ = try engine.instant(text, at: Timestamp(milliseconds: 0))
        }
    }

    @Test("any bytes parse or are refused", arguments: 1...10)
    func bytes(seed: Int) {
        var generator = Generator(random: SeededGenerator(seed: UInt64(seed)))
        for _ in 0..<500 {
            var text = generator.vector(3)
            for _ in 0..<Int.random(in: 1...4, using: &generator.random) {
                var scalars = Array(text.unicodeScalars)
                let place = Int.random(in: 0...scalars.count, using: &generator.random)
                if generator.chance(50), place < scalars.count { scalars.remove(at: place) }
                let odd = Array("()[]{}\"'`\\,:@=!~<>+-*/%^#0x1e.5m_é\u{0}\n".unicodeScalars)
                scalars.insert(generator.pick(odd), at: min(place, scalars.count))
                text = String(String.UnicodeScalarView(scalars))
            }
            do {
                _ = Printer.pretty(try Parser.parse(text, options: .all))
            } catch {
                #expect(!"\(error)".isEmpty)
            }
        }
    }
}
