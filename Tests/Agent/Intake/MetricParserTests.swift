import Intake
import RuntimeSupport
import Telemetry
import Testing

@Suite("Application metrics in JSON")
struct MetricParserTests {
    private let now = EventSamples.now
    private func parse(_ body: String, isStrict: Bool = false) -> MetricParseResult {
        Array(body.utf8).withUnsafeBytes { MetricParser().parse($0, now: now, isStrict: isStrict) }
    }

    @Test("one sample, an array, a wrapper and NDJSON", arguments: ["%\n%", "[%,%]", #"{"metrics":[%,%]}"#])
    func framings(framing: String) {
        var body = ""
        for character in framing { body += character == "%" ? #"{"name":"m","value":1}"# : String(character) }
        let result = parse(body)
        #expect(result.metrics.count == 2 && result.rejections.isEmpty)
    }

    @Test("every field is read")
    func fields() throws {
        let body =
            #"{"name":"http_requests_total","value":1.5e3,"timestamp":"2025-12-31T23:59:59Z","type":"counter","labels":{"b":"2","a":"é","job":"web","empty":""}}"#
        let record = try #require(parse(body).metrics.first)
        #expect(record.sample == Sample(timestamp: now.advanced(byMilliseconds: -1000), value: 1500))
        #expect(record.descriptor.type == .counter)
        let labels = [Label("a", "é"), Label("b", "2"), Label("exported_job", "web")]
        #expect(record.descriptor.key == SeriesKey(name: "http_requests_total", labels: labels))
    }

    @Test("numbers that JSON lacks come as strings")
    func special() {
        let values = ["NaN", "+Inf", "-Inf"].map { #"{"name":"m","value":"\#($0)"}"# }.joined(separator: "\n")
        let metrics = parse(values).metrics.map(\.sample.value)
        #expect(metrics.count == 3 && metrics[0].isNaN && metrics[1] == .infinity && metrics[2] == -.infinity)
    }

    @Test(
        "a bad sample is told its field and what to do",
        arguments: [
            (#"{"value":1}"#, "name", "missing"), (#"{"name":"","value":1}"#, "name", "missing"),
            (#"{"name":"m"}"#, "value", "missing"), (#"{"name":"m","value":"1"}"#, "value", "NaN"),
            (#"{"name":"m","value":[]}"#, "value", "found an array"),
            (#"{"name":"m","value":1,"type":"x"}"#, "type", "gauge"),
            (#"{"name":"m","value":1,"timestamp":1767225600}"#, "timestamp", "milliseconds"),
            (#"{"name":"m","value":1,"timestamp":1767226000000}"#, "timestamp", "future"),
            (#"{"name":"m","value":1,"labels":[]}"#, "labels", "found an array"),
            (#"{"name":"m","value":1,"labels":{"":"x"}}"#, "labels", "1 to 256"),
            (#"{"name":"m","value":1,"labels":{"__name__":"x"}}"#, "labels", "underscores"),
            (#"{"name":"m","value":1,"labels":{"a":1}}"#, "labels", "found a number"),
            (#"{"name":"stagebox_x","value":1}"#, "name", "reserved"),
            (#"{"name":"m","value":1e999}"#, nil, "not JSON"),
            (
                #"{"name":"m","value":1,"labels":{\#((0..<64).map { #""l\#($0)":"x""# }.joined(separator: ","))}}"#,
                "labels", "63"
            ),
        ] as [(String, String?, String)])
    func bad(body: String, field: String?, reason: String) throws {
        let result = parse("\(body)\n" + #"{"name":"good","value":1}"#)
        #expect(result.metrics.map(\.descriptor.key.name) == ["good"])
        let rejection = try #require(result.rejections.listed.first)
        #expect(rejection.index == 0 && rejection.field == field && rejection.reason.contains(reason), "\(rejection)")
    }

    @Test("any bytes give samples or reasons", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(
            #"[{"name":"m","value":1,"labels":{"a":"b"}},{"name":"n","value":"NaN","timestamp":1767225600000}]"#.utf8)
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        let result = bytes.withUnsafeBytes { MetricParser().parse($0, now: now) }
        #expect(!result.metrics.isEmpty || !result.rejections.isEmpty)
    }
}
