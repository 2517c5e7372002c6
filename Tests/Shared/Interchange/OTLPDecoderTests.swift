import Interchange
import Telemetry
import Testing

@Suite("OTLP decoder")
struct OTLPDecoderTests {
    private static func table(_ batch: OTLPBatch) -> [String: Double] {
        var table: [String: Double] = [:]
        for sample in batch.exposition.samples {
            let labels = sample.key.labels.filter {
                $0.name != SeriesKey.nameLabel && $0.name != "job" && $0.name != "instance"
            }
            let text = labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
            table["\(sample.key.name){\(text)}"] = sample.value
        }
        return table
    }

    private static let expected: [String: Double] = [
        "http_server_requests_total{http_route=/live,secure=true}": 5, "http_server_requests_total{http_route=/☃}": 2,
        "queue_length{}": -3, "memory_utilization_ratio{}": 0.25, "sent_bytes_total{}": 1.5,
        "http_server_duration_seconds_sum{}": 22.501, "http_server_duration_seconds_count{}": 4,
        "http_server_duration_seconds_bucket{le=0.005}": 1, "http_server_duration_seconds_bucket{le=1}": 2,
        "http_server_duration_seconds_bucket{le=10}": 3, "http_server_duration_seconds_bucket{le=+Inf}": 4,
        "target_info{host_name=node-7,ports=[80,443]}": 1,
    ]

    @Test("bodies of Python's exporter, in both encodings", arguments: OTLPEncoding.allCases)
    func golden(encoding: OTLPEncoding) throws {
        let body = try encoding == .json ? Array(GoldenBodies.text("otlp.json").utf8) : GoldenBodies.bytes("otlp")
        let batch = try OTLPDecoder.decode(body, encoding)
        #expect(Self.table(batch) == Self.expected)
        #expect(batch.pointCount == 6 && batch.rejectedPointCount == 0 && batch.problem == nil)
        for sample in batch.exposition.samples {
            #expect(sample.key["job"] == "studio/encoder" && sample.key["instance"] == "a-1")
            #expect(sample.timestampMilliseconds == 1_700_000_015_123)
        }
        let counter = try #require(batch.exposition.samples.first { $0.key.name == "sent_bytes_total" })
        #expect(counter.createdMilliseconds == 1_700_000_000_000)
        let families = Dictionary(uniqueKeysWithValues: batch.exposition.families.map { ($0.name, $0) })
        #expect(families["http_server_requests_total"]?.type == .counter)
        #expect(families["http_server_requests_total"]?.help == "Requests so far.")
        #expect(families["queue_length"]?.type == .gauge && families["target_info"]?.type == .info)
        #expect(families["http_server_duration_seconds"]?.type == .histogram)
        #expect(batch.response(encoding) == (encoding == .json ? Array("{}".utf8) : []))
    }

    private static func json(
        _ metric: String, resource: String = #"{"key":"service.name","value":{"stringValue":"s"}}"#
    )
        throws -> OTLPBatch
    {
        let text =
            #"{"resourceMetrics":[{"resource":{"attributes":[\#(resource)]},"scopeMetrics":[{"metrics":[\#(metric)]}]}]}"#
        return try OTLPDecoder.decode(Array(text.utf8), .json)
    }

    @Test("what cannot be translated is rejected point by point, and said in the answer")
    func partial() throws {
        let batch = try Self.json(
            #"{"name":"d","sum":{"aggregationTemporality":1,"dataPoints":[{"asInt":"1"},{"asInt":2}]}},"#
                + #"{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"1"}]}},"#
                + #"{"name":"n","gauge":{"dataPoints":[{"timeUnixNano":"1"}]}},"#
                + #"{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"bucketCounts":["1"],"explicitBounds":[1]}]}},"#
                + #"{"name":"...","gauge":{"dataPoints":[{"asInt":"1"}]}},"#
                + #"{"name":"g","gauge":{"dataPoints":[{"asDouble":"NaN"},{"asInt":"7","flags":1}]}}"#)
        #expect(batch.rejectedPointCount == 6 && batch.pointCount == 2)
        #expect(batch.problem?.contains("delta") == true)
        #expect(batch.exposition.samples.count == 2)
        #expect(batch.exposition.samples[0].value.isNaN && batch.exposition.samples[0].timestampMilliseconds == nil)
        #expect(batch.exposition.samples[1].value.bitPattern == 0x7ff0_0000_0000_0002, "a staleness marker")
        let text = String(decoding: batch.response(.json), as: UTF8.self)
        #expect(text.hasPrefix(#"{"partialSuccess":{"rejectedDataPoints":"6","errorMessage":"\"d\": delta"#))
        #expect(text.hasSuffix("}}"))
        #expect(batch.response(.protobuf).prefix(1) == [0x0a] && batch.response(.protobuf)[2...3] == [0x08, 6])
    }

    @Test("summaries, attributes of every kind, and colliding names")
    func values() throws {
        let attributes =
            #"{"key":"a.b","value":{"intValue":"-1"}},{"key":"a_b","value":{"doubleValue":1e-7}},"#
            + #"{"key":"0x","value":{"boolValue":false}},{"key":"_u","value":{"bytesValue":"AQI="}},"#
            + #"{"key":"l","value":{"arrayValue":{"values":[{"stringValue":"x\"y"},{"intValue":3},{}]}}},"#
            + #"{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"doubleValue":2}}]}}},"#
            + #"{"key":"job","value":{"stringValue":"other"}},{"key":"","value":{"stringValue":"x"}}"#
        let batch = try Self.json(
            #"{"name":"s","unit":"ms/{batch}","summary":{"dataPoints":[{"timeUnixNano":1700000000000000000,"count":3,"sum":6,"#
                + #""quantileValues":[{"quantile":0.5,"value":2},{"quantile":1,"value":3}],"attributes":[\#(attributes)]}]}}"#
        )
        let table = Self.table(batch)
        #expect(table.count == 4 && table.values.sorted() == [2, 3, 3, 6])
        let key = batch.exposition.samples[0].key
        #expect(key.name == "s_milliseconds_sum" && key["job"] == "s")
        #expect(key["a_b"] == "-1;0.0000001" && key["key_0x"] == "false" && key["key_u"] == "AQI=")
        #expect(key["l"] == #"["x\"y",3,null]"# && key["m"] == #"{"k":2}"#)
    }

    @Test("names follow Prometheus' translation")
    func names() throws {
        let table: [(name: String, unit: String, kind: String, expected: String)] = [
            ("system.filesystem.usage", "By", "gauge", "system_filesystem_usage_bytes"),
            ("system.network.dropped", "{packets}", "gauge", "system_network_dropped"),
            ("system.network.dropped", "packets", "gauge", "system_network_dropped_packets"),
            ("system.memory.utilization", "1", "gauge", "system_memory_utilization_ratio"),
            ("storage.filesystem.utilization", "%", "gauge", "storage_filesystem_utilization_percent"),
            ("speed", "m/s", "gauge", "speed_meters_per_second"), ("rate", "1/h", "gauge", "rate_per_hour"),
            ("requests.total", "", "counter", "requests_total"), ("total.requests", "", "counter", "requests_total"),
            ("(lambda).function.executions(#)", "", "gauge", "lambda_function_executions"),
            ("5xx.responses", "", "gauge", "_5xx_responses"), ("cpu.seconds", "s", "counter", "cpu_seconds_total"),
            ("a:b__c", "foo.bar", "gauge", "a:b_c_foo_bar"),
        ]
        for row in table {
            let data =
                row.kind == "counter"
                ? #""sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","isMonotonic":true,"#
                : #""gauge":{"#
            let batch = try Self.json(
                #"{"name":"\#(row.name)","unit":"\#(row.unit)",\#(data)"dataPoints":[{"asInt":"1","timeUnixNano":"1"}]}}"#
            )
            #expect(batch.exposition.samples.first?.key.name == row.expected)
        }
    }

    @Test("bodies that are no request are refused; every truncation and changed byte gives a result or an error")
    func total() throws {
        for text in [
            "", "[]", "{\"resourceMetrics\":1}", "{} x",
            "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":{}}]}]}",
        ] {
            #expect(throws: InterchangeError.self) { try OTLPDecoder.decode(Array(text.utf8), .json) }
        }
        #expect(try OTLPDecoder.decode([], .protobuf) == OTLPBatch())
        for encoding in OTLPEncoding.allCases {
            let body = try encoding == .json ? Array(GoldenBodies.text("otlp.json").utf8) : GoldenBodies.bytes("otlp")
            for index in stride(from: 0, to: body.count, by: encoding == .json ? 7 : 1) {
                _ = try? OTLPDecoder.decode(Array(body.prefix(index)), encoding)
                for value in [0, 7, 0x22, 0x7f, 0xff] as [UInt8] {
                    var changed = body
                    changed[index] = value
                    _ = try? OTLPDecoder.decode(changed, encoding)
                }
            }
        }
    }

    @Test("content types choose the encoding")
    func encodings() {
        #expect(OTLPEncoding(contentType: "application/json; charset=utf-8") == .json)
        #expect(OTLPEncoding(contentType: "application/x-protobuf") == .protobuf)
        #expect(OTLPEncoding(contentType: nil) == nil && OTLPEncoding(contentType: "text/plain") == nil)
    }
}

@Suite("OTLP bounds")
struct OTLPBoundsTests {
    @Test("a body of many empty items is refused before it fills the memory", arguments: OTLPEncoding.allCases)
    func items(encoding: OTLPEncoding) {
        let count = OTLPDecoder.itemsMax + 1
        var body: [UInt8] = []
        switch encoding {
        case .protobuf:
            // Resources without contents.
            body.reserveCapacity(count * 2)
            for _ in 0..<count { body += [0x0a, 0] }
        case .json: body = Array(("{\"resourceMetrics\":[{}" + String(repeating: ",{}", count: count - 1) + "]}").utf8)
        }
        #expect(throws: InterchangeError.self) { try OTLPDecoder.decode(body, encoding) }
    }
}
