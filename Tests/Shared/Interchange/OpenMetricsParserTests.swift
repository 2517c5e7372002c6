import Interchange
import Telemetry
import Testing

@Suite("OpenMetrics parser")
struct OpenMetricsParserTests {
    private static func parse(_ text: String) throws(InterchangeError) -> Exposition {
        try OpenMetricsParser.parse(Array((text + "# EOF\n").utf8))
    }

    @Test("families, samples, exemplars and creation times come out as written")
    func contents() throws {
        let exposition = try Self.parse(
            """
            # TYPE http_seconds histogram
            # UNIT http_seconds seconds
            # HELP http_seconds Latency \\"all\\" of\\nit \\q.
            http_seconds_bucket{path="/a\\\\b",le="0.1"} 8 # {trace_id="K\\"1"} 0.054 1520879607.789
            http_seconds_bucket{path="/a\\\\b",le="+Inf"} 17
            http_seconds_count{path="/a\\\\b"} 17.0
            http_seconds_sum{path="/a\\\\b"} 3.5e1
            http_seconds_created{path="/a\\\\b"} 1520430000.123
            free 1 -1.5

            """)
        #expect(exposition.families.count == 2)
        #expect(
            exposition.families[0]
                == MetricFamily(
                    name: "http_seconds", type: .histogram, unit: "seconds", help: "Latency \"all\" of\nit \\q."))
        #expect(exposition.families[1] == MetricFamily(name: "free"))
        let bucket = exposition.samples[0]
        #expect(
            bucket.key
                == SeriesKey(name: "http_seconds_bucket", labels: [Label("path", "/a\\b"), Label("le", "0.1")]))
        #expect(bucket.value == 8 && bucket.timestampMilliseconds == nil)
        #expect(bucket.createdMilliseconds == 1_520_430_000_123)
        #expect(
            bucket.exemplar
                == Exemplar(
                    labels: [Label("trace_id", "K\"1")], value: 0.054, timestampMilliseconds: 1_520_879_607_789))
        #expect(exposition.samples.map(\.value) == [8, 17, 17, 35, 1_520_430_000.123, 1])
        #expect(exposition.samples[5].timestampMilliseconds == -1500)
        #expect(exposition.samples[5].createdMilliseconds == nil && exposition.samples[5].family == 1)
    }

    @Test(
        "what the specification allows is accepted",
        arguments: [
            "", "a{} 1\n", "a .5\n", "a 1.\n", "a -0\n", "a 1E5 1e-3\n", "a infinity\n", "a -INFINITY\n", "a nAn\n",
            "_a:b_9 1\n", "a{_=\"x\"} 1\n", "a{a=\"\\q\\\\\"} 1\n", "a{a=\"\u{0}☃\"} 1\n", "# TYPE a gauge\n",
            "# TYPE foo unknown\nfoo 42.23\n",
            "# TYPE foo gauge\nfoo 17.0 123\nfoo 18.0 456\n",
            "# TYPE foo counter\nfoo_total 17.0 1520879607.789\nfoo_created 1520430000.123 1520879607.789\n",
            "# TYPE foo stateset\nfoo{e=\"c\",foo=\"a\"} 1.0\nfoo{e=\"c\",foo=\"b\"} 0\nfoo{e=\"r\",foo=\"a\"} 0\n",
            "# TYPE foo info\nfoo_info{e=\"c\",n=\"p\"} 1\nfoo_info{e=\"r\",n=\"q\"} 1.0\n",
            "# TYPE foo summary\nfoo_count{a=\"b\"} 0 123\nfoo_sum{a=\"b\"} 0 123\nfoo_count{a=\"b\"} 0 456\n",
            "# TYPE foo summary\nfoo{quantile=\"0.99\"} 150.0\nfoo{quantile=\"0.95\"} NaN\n",
            "# TYPE foo histogram\nfoo_bucket{le=\"1.1e-4\"} 0\nfoo_bucket{le=\"1\"} 1\nfoo_bucket{le=\"+Inf\"} 1\n",
            "# TYPE foo histogram\nfoo_bucket{le=\"-1\"} 0\nfoo_bucket{le=\"+Inf\"} 1 # {} 0.5\n",
            "# TYPE foo gaugehistogram\nfoo_bucket{le=\"1\"} 20.0 # {} 1\nfoo_bucket{le=\"+Inf\"} 42\n"
                + "foo_gcount 42.0\nfoo_gsum 3289.3\n",
            "a_total 1\n# TYPE a gauge\na 1\n", "a 1 12345678901234567890.1234567890\n",
        ])
    func accepted(text: String) {
        #expect(throws: Never.self) { try Self.parse(text) }
    }

    static let refused: [(String, Int, String)] = [
        ("a 1\n\nb 1\n", 2, "blank"), ("# FOO a x\n", 1, "TYPE, UNIT"), ("#TYPE a gauge\n", 1, "\"# TYPE"),
        ("# comment\n", 1, "TYPE"), ("# TYPE  a gauge\n", 1, "metric name"), ("# TYPE a  gauge\n", 1, "type"),
        ("# HELP a \"x\"\n", 1, "double quote"), ("# HELP a x\\\n", 1, "backslash"), ("# HELP a x\r\n", 1, "carriage"),
        ("a 1\r\n", 1, "value"), ("\u{FEFF}a 1\n", 1, "metric name"), ("a{a=\"1\" } 1\n", 1, "\",\" or"),
        ("a{ a=\"1\"} 1\n", 1, "label name"), ("a{a=\"1\",} 1\n", 1, "label name"), ("a{,} 1\n", 1, "label name"),
        ("a{__name__=\"b\"} 1\n", 1, "reserved"), ("a{a:b=\"1\"} 1\n", 1, "\"=\""), ("a +nan\n", 1, "value"),
        ("a 1e999\n", 1, "value"), ("a .\n", 1, "value"), ("a 1e\n", 1, "value"), ("a 1 \n", 1, "space"),
        ("a 1 2 \n", 1, "space"), ("a 1 2 3\n", 1, "exemplar"), ("a 1 nan\n", 1, "timestamp"),
        ("# TYPE a counter\na 1\n", 2, "clashes"), ("# TYPE a counter\na_created 1\n", 1, "_total"),
        ("# TYPE a counter\na_total 1\na_created NaN\n", 3, "time"),
        ("# TYPE a counter\na_total 1 # {} 1 1 1\n", 2, "after the exemplar"),
        ("# TYPE a counter\na_total 1 # {a=\"b\"}1\n", 2, "space"), ("a 1\na 2\n", 2, "twice"),
        ("a{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"1\"} 1\n", 3, "together"), ("a 1 1\na 2\n", 2, "all have timestamps"),
        ("a 1 2\na 2 1\n", 2, "backwards"), ("a 1\nb 1\na 1\n", 3, "clashes"),
        ("# TYPE a_total gauge\n# TYPE a counter\n", 2, "clashes"), ("# TYPE a info\na_info 1\na_info 1\n", 3, "twice"),
        ("# TYPE a summary\na_sum 1\n# HELP a x\n", 3, "after its samples"),
        ("# UNIT a_s s\n# TYPE a_s info\n", 1, "no unit"), ("# UNIT as s\n", 1, "unit"), ("# UNIT a_s-t s-t\n", 1, ""),
        ("# TYPE a summary\na_count 1.5\n", 2, "whole"), ("# TYPE a summary\na_sum{quantile=\"1\"} 1\n", 2, "quantile"),
        ("# TYPE a histogram\na_count{le=\"1\"} 1\n", 2, "outside"), ("# TYPE a stateset\na{b=\"c\"} 1\n", 2, "state"),
        ("# TYPE a histogram\na_bucket{le=\"+INF\"} 1\n", 2, "+Inf"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 1\n", 2, "+Inf"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 1 # {} 2\na_bucket{le=\"+Inf\"} 1\n", 2, "above"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 1.5\na_bucket{le=\"+Inf\"} 2\n", 2, "whole"),
        ("# TYPE a histogram\na_bucket{le=\"2\"} 0\na_bucket{le=\"1\"} 0\na_bucket{le=\"+Inf\"} 0\n", 3, "increase"),
        ("# TYPE a histogram\na_bucket{le=\"2\"} 3\na_bucket{le=\"+Inf\"} 0\n", 3, "decrease"),
        ("# TYPE a histogram\na_created 1\n", 2, "+Inf"),
    ]

    @Test("what it forbids is refused, with line and reason", arguments: refused)
    func refusals(text: String, line: Int, reason: String) {
        let error = #expect(throws: InterchangeError.self) { try Self.parse(text) }
        #expect(error?.place == .line(line), "\(String(describing: error))")
        #expect(reason.isEmpty || error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("the end mark is needed, once, at the end")
    func endMark() {
        for text in ["", "a 1\n", "# EOF\n\n", "# EOF\na 1\n", "# EOF \n", "a 1\n# EOFx", "a 1# EOF"] {
            #expect(throws: InterchangeError.self) { try OpenMetricsParser.parse(Array(text.utf8)) }
        }
        #expect(throws: Never.self) { try OpenMetricsParser.parse(Array("a 1\n# EOF".utf8)) }
    }

    @Test("every truncation and every changed byte gives a result or an error, and bounds hold")
    func total() throws {
        let text = "# TYPE a histogram\n# HELP a x\\n\na_bucket{le=\"+Inf\",b=\"c\"} 1 1 # {t=\"u\"} 1 2\n# EOF\n"
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count - 1 {
            #expect(throws: InterchangeError.self) { try OpenMetricsParser.parse(Array(bytes.prefix(count))) }
        }
        for index in bytes.indices {
            for value in [0, 10, 32, 34, 35, 92, 123, 0x80, 0xff] as [UInt8] {
                var changed = bytes
                changed[index] = value
                _ = try? OpenMetricsParser.parse(changed)
            }
        }
        #expect(throws: InterchangeError.self) {
            try OpenMetricsParser.parse(bytes, limits: ExpositionLimits(bytesMax: 10))
        }
        #expect(throws: InterchangeError.self) {
            try OpenMetricsParser.parse(bytes, limits: ExpositionLimits(samplesMax: 0))
        }
    }
}
