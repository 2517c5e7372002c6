import Gzip
import Intake
import Interchange
import PlainHTTP
import PromQL
import RuntimeSupport
import Snappy
import Sources
import Telemetry

/// "hello", by gzip(1).
private let gzipped: [UInt8] =
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0]
private let now = Timestamp(seconds: 1_767_225_600)

extension FuzzTarget {
    static let interchange: [FuzzTarget] = [
        FuzzTarget(
            "open-metrics", texts: ["# TYPE a counter\n# HELP a h\na_total{b=\"c\"} 1 # {t=\"x\"} 0.5 1\n# EOF\n"]
        ) {
            _ = try? ExpositionFormat.openMetrics.parse($0)
        },
        FuzzTarget(
            "prometheus-text", texts: ["# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 1767225600000\na_sum 1e-3\n"]
        ) {
            _ = try? ExpositionFormat.prometheusText.parse($0)
        },
        FuzzTarget("influx", texts: [#"a,b=c\ d e=1i,f="g",h=t,i=-1.5e3 1767225600000000000"#]) { bytes in
            _ = InfluxLineParser.parse(bytes)
            _ = InfluxLineParser.parse(bytes, options: InfluxLineParser.Options(isStrict: true))
        },
        FuzzTarget("otlp-protobuf", golden: "otlp") { _ = try? OTLPDecoder.decode($0, .protobuf) },
        FuzzTarget("otlp-json", texts: [#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a"}]}]}]}"#]) {
            _ = try? OTLPDecoder.decode($0, .json)
        },
        remoteWrite("remote-write-1", .one), remoteWrite("remote-write-2", .two),
        FuzzTarget("remote-read", golden: "remote-read-request") { _ = try? RemoteReadRequest(decoding: $0) },
        FuzzTarget("gzip", seeds: { [gzipped] }) { bytes in
            let inflated = try? GzipInflater.inflate(bytes, boundBytes: 1 << 16)
            require((inflated?.count ?? 0) <= 1 << 16, "more than the bound")
        },
        FuzzTarget("snappy", golden: "remote-write-1-snappy") { bytes in
            let inflated = try? SnappyBlock.decompress(bytes, boundBytes: 1 << 16)
            require((inflated?.count ?? 0) <= 1 << 16, "more than the bound")
        },
    ]

    private static func remoteWrite(_ name: String, _ version: RemoteWriteVersion) -> FuzzTarget {
        FuzzTarget(name, golden: name) { bytes in
            var decoder = RemoteWriteDecoder(seriesMax: 1000, samplesMax: 100_000, seed: 1)
            var columns = SampleColumns()
            var count: UInt32 = 0
            _ = try? decoder.decode(bytes, version, into: &columns) { _, _ in
                count += 1
                return count
            }
            require(columns.count <= 100_000, "more samples than allowed")
        }
    }

    static let intake: [FuzzTarget] = [
        FuzzTarget(
            "events", texts: [#"[{"id":"a","kind":"play","at":1767225600000,"user":"u","track":"t","ms_played":5}]"#]
        ) { bytes in
            let parser = EventParser(pseudonymVersion: 3) { UserPseudonym(high: UInt64($0.count), low: 0) }
            let result = bytes.withUnsafeBytes { parser.parse($0, now: now) }
            require(result.events.count + result.rejections.count <= IntakeLimits.recordsMax + 1, "too many records")
        },
        FuzzTarget("metrics", texts: [#"[{"name":"m","value":1,"labels":{"a":"b"}},{"name":"n","value":"NaN"}]"#]) {
            bytes in
            _ = bytes.withUnsafeBytes { MetricParser().parse($0, now: now) }
        },
        FuzzTarget(
            "listens",
            texts: [
                #"{"listen_type":"single","payload":[{"listened_at":1767225000,"track_metadata":{"artist_name":"a","track_name":"b"}}]}"#
            ]
        ) { bytes in
            let parser = ListenBrainzParser(pseudonymVersion: 3) { UserPseudonym(high: UInt64($0.count), low: 0) }
            _ = bytes.withUnsafeBytes { parser.parse($0, user: "u", now: now) }
        },
    ]

    static let sources: [FuzzTarget] = [
        FuzzTarget("statsd", texts: ["a.b:1:2|c|@0.1|#x:y,z\nq,a=b:3|ms\nr;a=b:+3|g\ns#a=b:m|s\nh:1|h|T1|c:x\n"]) {
            bytes in
            var aggregate = StatsDAggregate(seriesMax: 4)
            bytes.withUnsafeBytes { aggregate.add(packet: $0, now: now) }
            _ = aggregate.report(now: now.advanced(byMilliseconds: 1000))
        },
        FuzzTarget("access-log", texts: [#"h - u [t] "GET /a?b HTTP/1.1" 200 12 "-" "agent x" 0.01"#]) { bytes in
            for format in AccessLogFormat.allCases {
                var summary = AccessLogSummary(name: "x", format: format, start: now)
                bytes.withUnsafeBytes { summary.add(line: $0, now: now) }
                _ = summary.report()
            }
        },
        FuzzTarget("icecast", texts: [#"{"icestats":{"source":[{"listenurl":"http://h:1/a","listeners":3}]}}"#]) {
            bytes in
            guard let address = HTTPTarget("http://127.0.0.1:8000/status-json.xsl") else { return }
            var status = IcecastStatus(name: "x")
            _ = try? status.take(HTTPAnswer(status: 200, body: bytes), from: address)
            _ = status.readings(isUp: true, now: now, monotonicMilliseconds: 1)
        },
        FuzzTarget("playlist", texts: ["#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na.ts\n"])
        {
            _ = try? HLSPlaylist($0)
        },
        FuzzTarget("http-answer", texts: ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n"])
        { bytes in
            var reader = HTTPAnswerReader(bodyBytesMax: 4096)
            for start in stride(from: 0, to: bytes.count, by: 7) {
                let piece = Array(bytes[start..<min(bytes.count, start + 7)])
                guard (try? piece.withUnsafeBytes({ try reader.read($0) })) != nil else { return }
            }
            require(((try? reader.finish())?.body.count ?? 0) <= 4096, "more than the bound")
        },
        FuzzTarget("target-file", texts: [#"[{"targets":["a:1"],"labels":{"env":"prod","__param_x":"y"}}]"#]) { bytes in
            for group in (try? bytes.withUnsafeBytes({ try TargetFile.parse($0) })) ?? [] {
                for text in group.targets { _ = ScrapeTarget.make(text, group, job: "j", rules: []) }
            }
        },
        FuzzTarget("target-file-yaml", texts: ["- &a\n  targets: [a:1, 'b:2']\n  labels: {env: prod}\n- <<: *a\n"]) {
            bytes in
            for group in (try? TargetFile.parse(yaml: bytes)) ?? [] {
                for text in group.targets { _ = ScrapeTarget.make(text, group, job: "j", rules: []) }
            }
        },
        FuzzTarget("relayed-write", golden: "remote-write-1.") { bytes in
            _ = try? bytes.withUnsafeBytes { try RelayedWrite($0, relay: "r", now: now) }
        },
    ]

    static let languages: [FuzzTarget] = [
        FuzzTarget(
            "promql",
            texts: [
                #"sum by (a) (rate(x{b=~"c.*"}[5m:1m] offset 1h)) / on (d) group_left topk(3, y @ end()) > bool -1e3"#
            ]
        ) { bytes in
            guard let once = try? Parser.parse(String(decoding: bytes, as: UTF8.self)) else { return }
            let text = Printer.line(once)
            require(
                (try? Parser.parse(text)).map { Printer.line($0) } == text,
                "an expression does not print stably: \(text)")
        },
        FuzzTarget("settings", texts: ["interval: 1s\ncollectors.cpu: off # no\n", "rules.a: x < 0.1 for 60s\n"]) {
            _ = try? SettingsDocument(String(decoding: $0, as: UTF8.self), source: "fuzz")
        },
        FuzzTarget("rfc-3339", texts: ["2026-01-31T08:15:30.25+01:00"]) { bytes in
            guard let time = InternetTime.parse(String(decoding: bytes, as: UTF8.self)) else { return }
            require(InternetTime.parse(InternetTime.format(time)) == time, "a time does not read back")
        },
    ]

    static let edge: [FuzzTarget] = [
        FuzzTarget(
            "plain-request",
            texts: [
                "GET /api/v1/query?query=up HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n",
                "POST /api/v1/write HTTP/1.1\r\nhost:a\r\nContent-Length: 3\r\nContent-Encoding: snappy\r\n\r\nabc",
            ]
        ) { bytes in
            let outcome = recognise(bytes[...])
            guard case .plain(let request, let count) = outcome else { return }
            require(count <= min(bytes.count, PlainRequest.bytesMax), "a head beyond its bytes")
            require(bytes[..<count].suffix(4).elementsEqual([13, 10, 13, 10]), "a head without its end")
            require(request.isPost || request.bodyBytes == 0, "a GET with a body")
            // It depends on nothing that follows, and is waited for until it is whole.
            require(recognise(bytes[..<count]) == outcome, "a head that what follows changes")
            require(recognise(bytes[..<count] + [13, 10, 0x47]) == outcome, "a head that what follows changes")
            for length in stride(from: 0, to: count, by: max(1, count / 8)) {
                require(recognise(bytes[..<length]) == .incomplete, "a part that is not waited for")
            }
        },
        FuzzTarget("http-time", texts: ["Sun, 06 Nov 1994 08:49:37 GMT"]) { bytes in
            guard let time = HTTPTime.parse(String(decoding: bytes, as: UTF8.self)) else { return }
            let text = HTTPTime.format(unixSeconds: Int(time.milliseconds / 1000))
            require(HTTPTime.parse(text)?.milliseconds == time.milliseconds / 1000 * 1000, "a time does not read back")
        },
    ]

    private static func recognise(_ bytes: ArraySlice<UInt8>) -> PlainRequest.Outcome {
        bytes.withUnsafeBytes {
            PlainRequest.recognise($0, prefixes: ["GET /api/v1/query", "POST /api/v1/write"])
        }
    }
}
