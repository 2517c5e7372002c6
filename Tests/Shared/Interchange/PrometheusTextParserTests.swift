import Interchange
import Telemetry
import Testing

@Suite("Prometheus text parser")
struct PrometheusTextParserTests {
    @Test("the leniencies of Prometheus are read")
    func lenient() throws {
        let text = """

            # just a comment
            #TYPE x gauge
            # HELP http_requests_total The total\\nof \\\\ requests "so far".
            # TYPE http_requests_total counter
            http_requests_total{method="post",code="200",} 1027 1395066363000
            http_requests_total { method = "post" , code="400" }\t3   -5
            metric_without_timestamp_and_labels 12.47
            something_weird{problem="division by \\"zero\\""} +Inf -3982045
            \t# TYPE rpc summary
            rpc{quantile="0.5"} 4773
            rpc_sum 1.7560473e+07
            rpc_count 2693
            {"with.dot","a b"="c"} nan
            # TYPE late untyped
            last{} 1
            """
        let exposition = try PrometheusTextParser.parse(Array(text.utf8))
        #expect(exposition.samples.count == 9)
        let family = exposition.families[exposition.samples[0].family]
        #expect(
            family
                == MetricFamily(
                    name: "http_requests_total", type: .counter, help: "The total\nof \\ requests \"so far\"."))
        #expect(exposition.samples[0].timestampMilliseconds == 1_395_066_363_000)
        #expect(exposition.samples[1].key["code"] == "400" && exposition.samples[1].timestampMilliseconds == -5)
        #expect(exposition.samples[3].key["problem"] == "division by \"zero\"")
        for index in 4...6 { #expect(exposition.families[exposition.samples[index].family].type == .summary) }
        #expect(exposition.samples[7].key == SeriesKey(name: "with.dot", labels: [Label("a b", "c")]))
        #expect(exposition.samples[7].value.isNaN)
    }

    @Test(
        "what Prometheus refuses is refused, with its line",
        arguments: [
            "x", "x ", "x 1 1.5", "x 1 2 3", "x 0x1p-3", "x 1_0", "x{a=b} 1", "x{a=\"b\" c=\"d\"} 1", "x{a=\"b} 1",
            "x{a=\"1\",a=\"2\"} 1", "# TYPE x bogus", "# TYPE 1x gauge", "{a=\"b\"} 1", "x{a=\"\u{1}\"}1 z", "-x 1",
            "x{\"y\"} 1",
        ])
    func refused(text: String) {
        let error = #expect(throws: InterchangeError.self) {
            try PrometheusTextParser.parse(Array("a 1\n\(text)\n".utf8))
        }
        #expect(error?.place == .line(2))
    }

    @Test("invalid UTF-8 in a label is refused")
    func encoding() {
        #expect(throws: InterchangeError.self) {
            try PrometheusTextParser.parse(Array("x{a=\"".utf8) + [0xff] + Array("\"} 1\n".utf8))
        }
    }

    @Test("headers choose the format")
    func negotiation() {
        let formats: [(String?, ExpositionFormat?)] = [
            (nil, .prometheusText), ("text/plain", .prometheusText), ("text/plain; version=0.0.4", .prometheusText),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", .openMetrics),
            ("Application/OpenMetrics-Text;version=\"0.0.1\"", .openMetrics),
            ("application/openmetrics-text; version=2.0.0", nil), ("application/json", nil),
        ]
        for (header, format) in formats { #expect(ExpositionFormat(contentType: header) == format) }
        let answers: [(String?, ExpositionFormat)] = [
            (nil, .prometheusText), ("*/*", .prometheusText), (ExpositionFormat.acceptHeader, .openMetrics),
            ("text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.4", .prometheusText),
            ("application/openmetrics-text;q=0", .prometheusText),
            ("text/html, application/xml;q=0.9", .prometheusText),
        ]
        for (header, format) in answers { #expect(ExpositionFormat.negotiated(accept: header) == format) }
    }
}
