import RuntimeSupport
import Sources
import Telemetry
import Testing

@Suite("sources: access logs")
struct AccessLogTests {
    private let start = Timestamp(seconds: 1_767_225_600)

    private struct Parsed: Equatable {
        var method: String
        var path: String
        var status: Int
        var bytes: Double
        var seconds: Double?
    }
    private static func parsed(
        _ method: String, _ path: String, _ status: Int, _ bytes: Double, _ seconds: Double?
    ) -> Parsed { Parsed(method: method, path: path, status: status, bytes: bytes, seconds: seconds) }

    @Test(
        "lines of both programs are read",
        arguments: [
            (
                #"::1 - - [24/Nov/2026:16:00:00 +0000] "GET /a?x=1 HTTP/1.1" 200 612 "-" "curl/7.88""#,
                parsed("GET", "/a", 200, 612, nil)
            ),
            (
                #"127.0.0.1 - olav [24/Nov/2026:16:00:00 +0000] "GET / HTTP/1.1" 304 0 "http://r" "a b" 0.032"#,
                parsed("GET", "/", 304, 0, 0.032)
            ),
            (
                #"10.0.0.1 - - [24/Nov/2026:16:00:00 +0000] "GET /live.mp3 HTTP/1.0" 200 96211 "-" "VLC/3.0" 61"#,
                parsed("GET", "/live.mp3", 200, 96211, 61)
            ),
            (#"x - - [t] "" 400 0 "-" "-""#, parsed("", "", 400, 0, nil)),
            (#"x - - [t] "\x16\x03\x01" 400 157 "-" "-""#, parsed(#"\x16\x03\x01"#, "", 400, 157, nil)),
            (#"x - - [t] "GET /"q" HTTP/1.1" 404 - "-" "a"b" 3"#, parsed("GET", "/\"q\"", 404, 0, 3)),
            (#"x - - [t] "GET / HTTP/1.1" 200 5"#, parsed("GET", "/", 200, 5, nil)),
        ] as [(String, Parsed)])
    private func lines(text: String, expected: Parsed) throws {
        try Array(text.utf8).withUnsafeBytes { bytes in
            let line = try #require(AccessLogLine(bytes))
            let found = Parsed(
                method: String(decoding: line.method, as: UTF8.self), path: String(decoding: line.path, as: UTF8.self),
                status: line.status, bytes: line.bytes, seconds: line.seconds)
            #expect(found == expected)
        }
    }

    @Test(
        "what is no such line is not read",
        arguments: [
            "", "x", #"x - - [t] "GET /"#, #"x [t] "GET / HTTP/1.1" 20 5"#, #"x - - [t] "GET /" 200"#,
            #"x - - [t] "GET /" 200 x"#,
        ])
    func badLines(text: String) {
        Array(text.utf8).withUnsafeBytes { #expect(AccessLogLine($0) == nil) }
    }

    private func values(_ summary: inout AccessLogSummary) -> [String: Double] {
        var values: [String: Double] = [:]
        for reading in summary.report() {
            let labels = reading.key.labels.filter { $0.name != SeriesKey.nameLabel && $0.name != "log" }
            let text = labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
            values[reading.key.name + (text.isEmpty ? "" : "{\(text)}")] = reading.value
        }
        return values
    }

    @Test("nginx's lines become classes, bytes and latency")
    func nginx() {
        var summary = AccessLogSummary(name: "web", format: .nginx, start: start)
        for (status, bytes, time) in [(200, 100, "0.1"), (200, 50, "0.3"), (404, 1, "0.2"), (503, 1, "0.2")] {
            let line = #"h - - [t] "GET /a HTTP/1.1" \#(status) \#(bytes) "-" "-" \#(time)"#
            Array(line.utf8).withUnsafeBytes { summary.add(line: $0, now: start) }
        }
        Array("nonsense".utf8).withUnsafeBytes { summary.add(line: $0, now: start) }
        let found = values(&summary)
        #expect(found["access_log_requests_total{status=2xx}"] == 2)
        #expect(found["access_log_requests_total{status=3xx}"] == 0)
        #expect(found["access_log_requests_total{status=5xx}"] == 1)
        #expect(found["access_log_response_bytes_total"] == 152)
        #expect(found["access_log_request_seconds_count"] == 4)
        #expect(abs((found["access_log_request_seconds{quantile=0.5}"] ?? 0) - 0.2) <= 0.002)
        #expect(summary.drops[.malformed] == 1 && summary.lineCount == 4)
    }

    @Test("Icecast's lines become listener seconds per mount; its own pages are no mounts")
    func icecast() {
        var summary = AccessLogSummary(name: "radio", format: .icecast, start: start)
        for (request, status, seconds) in [
            ("GET /live.mp3", 200, 60), ("GET /live.mp3?t=1", 200, 30), ("GET /b.ogg", 200, 5),
            ("GET /admin/stats", 200, 1),
            ("GET /status-json.xsl", 200, 0), ("SOURCE /live.mp3", 200, 999), ("GET /none", 404, 0), ("GET /", 200, 0),
        ] {
            let line = #"h - - [t] "\#(request) HTTP/1.0" \#(status) 10 "-" "-" \#(seconds)"#
            Array(line.utf8).withUnsafeBytes { summary.add(line: $0, now: start) }
        }
        let found = values(&summary)
        #expect(found["access_log_listener_seconds_total{mount=/live.mp3}"] == 90)
        #expect(found["access_log_mount_requests_total{mount=/live.mp3}"] == 2)
        #expect(found["access_log_mount_bytes_total{mount=/b.ogg}"] == 10)
        #expect(found.keys.filter { $0.hasPrefix("access_log_listener_seconds") }.count == 2)
        #expect(found["access_log_requests_total{status=2xx}"] == 7)
    }

    @Test("mounts are bounded")
    func mounts() {
        var summary = AccessLogSummary(name: "radio", format: .icecast, start: start)
        for mount in 0..<(AccessLogSummary.mountsMax + 7) {
            let line = #"h - - [t] "GET /m\#(mount) HTTP/1.0" 200 10 "-" "-" 1"#
            Array(line.utf8).withUnsafeBytes { summary.add(line: $0, now: start) }
        }
        #expect(values(&summary)["access_log_listener_seconds_total{mount=other}"] == 7)
    }

    @Test("lines come out whole however they were cut", arguments: 0..<100)
    func splitting(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let lines = (0..<20).map { _ in
            String(
                repeating: "x",
                count: Int.random(in: 0...40, using: &random) * (Int.random(in: 0...9, using: &random) == 0 ? 1000 : 1))
        }
        let bytes = Array(lines.joined(separator: "\n").utf8)
        var splitter = LineSplitter()
        var found: [Int] = []
        var position = 0
        while position < bytes.count {
            let end = min(bytes.count, position + Int.random(in: 1...30_000, using: &random))
            Array(bytes[position..<end]).withUnsafeBytes { splitter.add($0) { found.append($0.count) } }
            position = end
        }
        let complete = lines.dropLast()
        #expect(splitter.consumedBytes == complete.reduce(0) { $0 + $1.utf8.count + 1 })
        splitter.finish { found.append($0.count) }
        let expected = lines.filter { $0.utf8.count <= LineSplitter.lineBytesMax }.map(\.utf8.count)
        // An empty last line is none.
        #expect(found == (lines.last?.isEmpty == true ? Array(expected.dropLast()) : expected))
        #expect(splitter.tooLongCount == lines.count - expected.count)
    }

    @Test("reading that starts within a line leaves that line out")
    func startsWithin() {
        var splitter = LineSplitter(startsWithin: true)
        var found: [Int] = []
        Array("rest\nwhole\n".utf8).withUnsafeBytes { splitter.add($0) { found.append($0.count) } }
        #expect(found == [5] && splitter.consumedBytes == 11)
    }

    @Test("a position survives its encoding, and knows its file and its log")
    func positions() throws {
        let beginning = Array("first line\n".utf8)
        let position = LogPosition(path: "/var/log/a", device: 1, inode: 1 << 40, offset: 11, beginning: beginning)
        let decoded = try #require(LogPosition(encoded: position.encoded))
        #expect(decoded == position && decoded.encoded.count == LogPosition.encodedBytes)
        #expect(decoded.isOf(path: "/var/log/a") && !decoded.isOf(path: "/var/log/b"))
        #expect(
            decoded.matches(beginning: beginning + [1, 2])
                && !decoded.matches(beginning: [UInt8](repeating: 0, count: 20)))
        #expect(LogPosition(encoded: Array(position.encoded.dropLast())) == nil && LogPosition(encoded: []) == nil)
        for seed in 0..<100 {
            var random = SeededGenerator(seed: UInt64(seed))
            var bytes = position.encoded
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            #expect(LogPosition(encoded: bytes).map { $0.beginningLength <= 256 } ?? true)
        }
    }

    @Test("any bytes give a line or none", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(#"h - u [t] "GET /a?b HTTP/1.1" 200 12 "-" "agent x" 0.01"#.utf8)
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            switch Int.random(in: 0...2, using: &random) {
            case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: Int.random(in: 0..<bytes.count, using: &random))
            default: bytes.removeLast(Int.random(in: 0..<(bytes.count / 2), using: &random))
            }
        }
        var summary = AccessLogSummary(name: "x", format: .icecast, start: start)
        bytes.withUnsafeBytes { summary.add(line: $0, now: start) }
        #expect(summary.lineCount + summary.drops[.malformed] == 1)
    }
}
