import Intake
import Interchange
import RuntimeSupport
import Sources
import Telemetry
import Testing

@Suite("sources: OTLP at the intake")
struct OTLPMetricsTests {
    private let now = Timestamp(seconds: 1_767_225_600)

    private func read(_ text: String, _ encoding: OTLPEncoding = .json) throws(InterchangeError) -> OTLPMetrics {
        var result: Result<OTLPMetrics, InterchangeError>?
        Array(text.utf8).withUnsafeBytes { bytes in
            result = Result { () throws(InterchangeError) in try OTLPMetrics(bytes, encoding, now: now) }
        }
        guard let result else { throw InterchangeError(.body, "nothing was read") }
        return try result.get()
    }

    private func request(_ name: String, at seconds: Int64 = 1_767_225_600, temporality: Int = 2) -> String {
        #"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"#
            + #""scopeMetrics":[{"metrics":[{"name":"\#(name)","sum":{"isMonotonic":true,"aggregationTemporality":\#(temporality),"#
            + #""dataPoints":[{"asInt":"5","timeUnixNano":"\#(seconds)000000000","attributes":[{"key":"region","value":{"stringValue":"eu"}}]}]}}]}]}]}"#
    }

    @Test("counters keep their type; labels of the enrolment are renamed")
    func counters() throws {
        let metrics = try read(request("plays"))
        let record = try #require(metrics.records.first)
        #expect(metrics.records.count == 1 && record.descriptor.type == .counter && record.sample.value == 5)
        let expected = SeriesKey(
            name: "plays_total", labels: [Label("exported_job", "web"), Label("exported_region", "eu")])
        #expect(record.descriptor.key == expected)
        #expect(metrics.batch.rejectedPointCount == 0)
    }

    @Test(
        "what cannot be taken is counted for the answer",
        arguments: [
            ("node.x", Int64(1_767_225_600), 2), ("plays", 1_767_220_000, 2), ("plays", 1_767_226_000, 2),
            ("plays", 1_767_225_600, 1),
        ])
    func rejections(name: String, seconds: Int64, temporality: Int) throws {
        let metrics = try read(request(name, at: seconds, temporality: temporality))
        #expect(metrics.records.isEmpty && metrics.batch.rejectedPointCount == 1 && metrics.batch.problem != nil)
    }

    @Test("any bytes give samples or a fault", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(request("plays").utf8)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        for encoding in OTLPEncoding.allCases {
            let count = bytes.withUnsafeBytes { (try? OTLPMetrics($0, encoding, now: now))?.records.count ?? 0 }
            #expect(count <= 1)
        }
    }
}
