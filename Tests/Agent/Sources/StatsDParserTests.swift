import RuntimeSupport
import Sources
import Telemetry
import Testing

@Suite("sources: StatsD, read")
struct StatsDParserTests {
    private func parse(_ text: String) -> (metrics: [StatsDMetric], refusals: [DropReason]) {
        var metrics: [StatsDMetric] = []
        var refusals: [DropReason] = []
        Array(text.utf8).withUnsafeBytes {
            StatsDParser.parse($0) { result in
                switch result {
                case .success(let metric): metrics.append(metric)
                case .failure(let refusal): refusals.append(refusal.reason)
                }
            }
        }
        return (metrics, refusals)
    }

    private static func metric(
        _ name: String, _ kind: StatsDKind, _ values: [StatsDMetric.Value], _ labels: [(String, String)] = [],
        rate: Double = 1
    ) -> StatsDMetric {
        StatsDMetric(name: name, labels: labels.map { Label($0.0, $0.1) }, kind: kind, values: values, rate: rate)
    }

    @Test(
        "every type and dialect",
        arguments: [
            ("a.b-c:1|c", metric("a_b_c", .counter, [.number(1)])),
            ("plays:2.5|c|@0.1", metric("plays", .counter, [.number(2.5)], rate: 0.1)),
            ("g:-3|g", metric("g", .gauge, [.delta(-3)])), ("g:+3|g", metric("g", .gauge, [.delta(3)])),
            ("g:3|g", metric("g", .gauge, [.number(3)])), ("t:320|ms", metric("t", .timer, [.number(320)])),
            ("t:320|ms|@0.5", metric("t", .timer, [.number(320)], rate: 0.5)),
            ("h:1e3|h", metric("h", .histogram, [.number(1000)])), ("d:-1|d", metric("d", .histogram, [.number(-1)])),
            ("u:a:b|s", metric("u", .set, [.member(Array("a:b".utf8))])),
            ("m:1:2:3|c", metric("m", .counter, [.number(1), .number(2), .number(3)])),
            ("m:1:+2|g", metric("m", .gauge, [.number(1), .delta(2)])),
            (
                "x:1|c|@0.5|#env:prod,b:c:d,flag",
                metric("x", .counter, [.number(1)], [("b", "c:d"), ("env", "prod"), ("flag", "true")], rate: 0.5)
            ),
            ("x:1|c|#a:1|@0.5", metric("x", .counter, [.number(1)], [("a", "1")], rate: 0.5)),
            ("x:1|c|#a:1|c:ci-00|T1656581400|e:it-1", metric("x", .counter, [.number(1)], [("a", "1")])),
            ("x,h=a,d=b:1|c", metric("x", .counter, [.number(1)], [("d", "b"), ("h", "a")])),
            ("x;h=a;d=b:1|c", metric("x", .counter, [.number(1)], [("d", "b"), ("h", "a")])),
            ("x#h=a,d=b:1|c", metric("x", .counter, [.number(1)], [("d", "b"), ("h", "a")])),
            ("x:1|c|#a:1,a:2", metric("x", .counter, [.number(1)], [("a", "2")])),
            ("x:1|c|#a:", metric("x", .counter, [.number(1)])),
            (
                "x:1|c|#instance:i,job:j",
                metric("x", .counter, [.number(1)], [("exported_instance", "i"), ("exported_job", "j")])
            ),
            ("5xx:1|c", metric("_5xx", .counter, [.number(1)])), ("é:1|c", metric("__", .counter, [.number(1)])),
        ] as [(String, StatsDMetric)])
    func dialects(text: String, expected: StatsDMetric) {
        let result = parse(text)
        #expect(result.metrics == [expected] && result.refusals.isEmpty)
    }

    @Test(
        "what is not StatsD is refused with its reason",
        arguments: [
            ("x", .malformed), ("x:1", .malformed), (":1|c", .malformed), ("x:|c", .malformed), ("x:a|c", .malformed),
            ("x:1|", .malformed), ("x:1|q", .unsupported), ("x:1|c|@0", .malformed), ("x:1|c|@2", .malformed),
            ("x:1|c|@nan", .malformed), ("x:nan|g", .malformed), ("x:inf|g", .malformed), ("x:0x10|g", .malformed),
            ("x:1e999|g", .malformed), ("x:1|c|?", .malformed), ("x:1|c|#__n:v", .malformed), ("x:1:|c", .malformed),
            ("_e{1,1}:a|b", .unsupported), ("_sc|name|0", .unsupported), ("stagebox_x:1|c", .reservedName),
            ("node.load1:1|g", .reservedName), (String(repeating: "x", count: 300) + ":1|c", .malformed),
            (String(repeating: "x", count: 9000) + ":1|c", .tooLong),
            ("x:1|c|#" + (0..<40).map { "t\($0):v" }.joined(separator: ","), .labelLimit),
            ("x:1|c|#t:" + String(repeating: "v", count: 3000), .labelLimit),
        ] as [(String, DropReason)])
    func refusals(text: String, reason: DropReason) {
        let result = parse(text)
        #expect(result.metrics.isEmpty && result.refusals == [reason])
    }

    @Test("a packet holds many, of which bad ones spoil nothing")
    func packets() {
        let result = parse("a:1|c\nbad\r\n\nb:2|g\r\n")
        #expect(result.metrics.map(\.name) == ["a", "b"] && result.refusals == [.malformed])
    }

    @Test("any bytes give metrics or reasons", arguments: 0..<500)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array("a.b:1:2|c|@0.1|#x:y,z\nq,a=b:3|ms\nr;a=b:+3|g\ns#a=b:m|s\nh:1|h|T1|c:x\n".utf8)
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            switch Int.random(in: 0...2, using: &random) {
            case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: Int.random(in: 0..<bytes.count, using: &random))
            default:
                bytes.insert(
                    "|:#,;=@\n"[Int.random(in: 0..<8, using: &random)],
                    at: Int.random(in: 0..<bytes.count, using: &random))
            }
        }
        var aggregate = StatsDAggregate(seriesMax: 4)
        bytes.withUnsafeBytes { aggregate.add(packet: $0, now: Timestamp(seconds: 1)) }
        let readings = aggregate.report(now: Timestamp(seconds: 2))
        #expect(!readings.isEmpty || !aggregate.drops.isEmpty)
    }
}

extension String {
    fileprivate subscript(position: Int) -> UInt8 { Array(utf8)[position] }
}
