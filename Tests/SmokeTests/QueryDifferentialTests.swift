import Glibc
import PromQL
import Snappy
import Synchronization
import TestSupport
import Testing

/// The same random samples in the aggregator and in a real Prometheus, the same random expressions asked of both.
///
/// `STAGEBOX_DIFFERENTIAL=20000` asks more than the usual expressions, `STAGEBOX_SMOKE_SEED` other ones.
@Suite(
    "Differences from Prometheus", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"),
    .enabled(if: RealPrometheus.isThere, "Debian's prometheus is not installed"))
struct QueryDifferentialTests {
    /// Where Prometheus 3, whose language ours is, answers otherwise than 2.42 on purpose.
    private static let explained: [(reason: String, applies: @Sendable (Case) -> Bool)] = [
        (
            "names are removed when the query is done, so series that differ only in name meet later or never",
            { $0.ours.isRefusal != $0.theirs.isRefusal && $0.refusal.contains("same labelset") }
        ),
        (
            "in 2.42 the window of predict_linear goes on with the steps although @ fixes it",
            { $0.query.contains("predict_linear") && $0.query.contains("@") }
        ),
        ("2.42 keeps a metric's name after atan2", { $0.query.contains("atan2") }),
        (
            "2.42 takes the first value of stddev and stdvar for finite",
            { $0.query.contains("stddev") || $0.query.contains("stdvar") ? $0.oursHasNaN : false }
        ),
        (
            "2.42 asks where a counter was zero before it bounds the extrapolation, newer ones after it; long steps of "
                + "a subquery show it",
            { $0.query.contains("rate((") || $0.query.contains("increase((") }
        ),
    ]

    struct Case: Sendable {
        let query: String
        let ours: Outcome
        let theirs: Outcome
        /// Whether a value of ours is no number.
        var oursHasNaN: Bool {
            switch ours {
            case .answered(.vector(let vector)): vector.values.contains(where: \.isNaN)
            case .answered(.matrix(let matrix)): matrix.series.contains { $0.values.contains(where: \.isNaN) }
            default: false
            }
        }
        /// What the one that refused said.
        var refusal: String {
            for case .refused(let text) in [ours, theirs] { return text }
            return ""
        }
    }
    enum Outcome: Sendable {
        case answered(QueryValue)
        case refused(String)
        var isRefusal: Bool { if case .refused = self { true } else { false } }
    }

    @Test("random expressions over random samples have the answers that Prometheus gives, or a reason")
    func random() throws {
        let seed = DataDirectories.environment("STAGEBOX_SMOKE_SEED").flatMap { UInt64($0) } ?? 1
        let count = DataDirectories.environment("STAGEBOX_DIFFERENTIAL").flatMap { Int($0) } ?? 400
        print("differential seed \(seed), \(count) expressions")
        let peer = try RealPrometheus()
        defer { peer.stop() }
        let demo = try DemoUnderTest("differential")
        defer { demo.stop() }
        let series = RandomSeries(seed: seed)
        let body = SnappyBlock.compress(series.body)
        for client in [peer.client, demo.client] {
            let (status, text) = try client.push(
                "/api/v1/write", body,
                [
                    ("Content-Type", "application/x-protobuf"), ("Content-Encoding", "snappy"),
                    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
                ])
            #expect(status == 204, "\(text)")
        }
        var expressions = RandomExpressions(seed: seed)
        var tally = Tally()
        for _ in 0..<count {
            let query = expressions.next()
            let isInstant = expressions.chance(30)
            let parameters =
                isInstant
                ? [("query", query), ("time", expressions.pick(["1700000677", "1700001607", "1700002957"]))]
                : [
                    ("query", query), ("start", "1700000077"), ("end", "1700003107"),
                    ("step", expressions.pick(["30", "60", "150", "600"])),
                ]
            let path = isInstant ? "/api/v1/query" : "/api/v1/query_range"
            let both = Case(
                query: query, ours: try Self.ask(demo.client, path, parameters),
                theirs: try Self.ask(peer.client, path, parameters))
            let difference = Self.difference(both)
            tally.note(both, difference, parameters)
        }
        print(
            "differential: \(tally.agreed) of \(count) agree, \(tally.refused) of them refused by both, "
                + "\(tally.empty) empty; explained by version: \(tally.explained)")
        #expect(tally.differences.isEmpty, "seed \(seed)")
        for difference in tally.differences.prefix(20) { print("DIFFERS \(difference)") }
        #expect(tally.agreed - tally.refused - tally.empty > count / 3, "most of it says something")
    }

    private struct Tally {
        var agreed = 0
        var refused = 0
        var empty = 0
        var explained: [String: Int] = [:]
        var differences: [String] = []

        mutating func note(_ both: Case, _ difference: String?, _ parameters: [(String, String)]) {
            guard let difference else {
                agreed += 1
                switch both.ours {
                case .refused: refused += 1
                case .answered(.vector(let vector)) where vector.count == 0: empty += 1
                case .answered(.matrix(let matrix)) where matrix.series.isEmpty: empty += 1
                default: break
                }
                return
            }
            if let known = QueryDifferentialTests.explained.first(where: { $0.applies(both) }) {
                explained[known.reason, default: 0] += 1
                return
            }
            differences.append("\(parameters): \(difference)")
        }
    }

    private static func ask(
        _ client: PrometheusClient, _ path: String, _ parameters: [(String, String)]
    ) throws -> Outcome {
        do {
            return .answered(try client.query(path, parameters).value)
        } catch let refusal as PrometheusAnswer.Refusal where (400..<500).contains(refusal.status) {
            return .refused(refusal.message)
        }
    }

    private static func difference(_ both: Case) -> String? {
        switch (both.ours, both.theirs) {
        case (.refused, .refused): return nil
        case (.refused(let text), .answered): return "only we refuse: \(text)"
        case (.answered, .refused(let text)): return "only they refuse: \(text)"
        case (.answered(let ours), .answered(let theirs)): return difference(ours, theirs)
        }
    }

    private static func difference(_ ours: QueryValue, _ theirs: QueryValue) -> String? {
        switch (ours, theirs) {
        case (.scalar(let one, let time), .scalar(let other, let otherTime)):
            return time == otherTime && areEqual(one, other) ? nil : "\(one) at \(time), they \(other) at \(otherTime)"
        case (.string(let one, _), .string(let other, _)): return one == other ? nil : "\(one), they \(other)"
        case (.vector(let one), .vector(let other)):
            return difference(
                zip(one.labels, one.values).map { Matrix.Series(labels: $0, timestamps: [one.time], values: [$1]) },
                zip(other.labels, other.values).map {
                    Matrix.Series(labels: $0, timestamps: [other.time], values: [$1])
                })
        case (.matrix(let one), .matrix(let other)): return difference(one.series, other.series)
        default: return "\(ours.type), they \(theirs.type)"
        }
    }

    private static func difference(_ ours: [Matrix.Series], _ theirs: [Matrix.Series]) -> String? {
        var rest = Dictionary(ours.map { ($0.labels, $0) }) { first, _ in first }
        guard rest.count == ours.count else { return "we have a series twice" }
        for their in theirs {
            guard let our = rest.removeValue(forKey: their.labels) else { return "we lack \(their.labels)" }
            guard our.timestamps == their.timestamps else {
                let odd = Set(our.timestamps).symmetricDifference(their.timestamps).sorted()
                return
                    "\(their.labels): other times: \(odd.prefix(5)) (\(our.values.count), they \(their.values.count))"
            }
            for (index, pair) in zip(our.values, their.values).enumerated() where !areEqual(pair.0, pair.1) {
                return "\(their.labels) at \(our.timestamps[index]): \(pair.0), they \(pair.1)"
            }
        }
        return rest.first.map { "only we have \($0.key)" }
    }

    /// To nine digits: sums are added up in other orders, and compensated in newer versions only.
    private static func areEqual(_ one: Double, _ other: Double) -> Bool {
        if one.isNaN || other.isNaN { return one.isNaN && other.isNaN }
        if one == other { return true }
        return abs(one - other) <= 1e-9 * max(1, abs(one), abs(other))
    }
}
