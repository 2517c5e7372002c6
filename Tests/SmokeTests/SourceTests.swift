import Glibc
import MQTT
import TestSupport
import Testing

/// The agent's sources against the programs that they are made for.
@Suite("Sources beside real programs", .serialized, .ownThread, .enabled(if: SmokePrograms.areThere, "not built"))
struct SourceTests {
    /// A tree whose agent has these settings.
    private func tree(_ label: String, _ settings: (TemporaryDirectory) throws -> String) throws -> SmokeTree {
        let tree = try SmokeTree(label)
        let file = tree.folder.file("agent.yaml")
        try Files.write(Array("sources:\n  interval: 1 s\n\(try settings(tree.folder))".utf8), to: file)
        tree.agentOptions = ["--config", file]
        try tree.start()
        return tree
    }

    @Test(
        "StatsD: Debian's Python client over UDP and over a Unix socket",
        .enabled(if: Files.exists("/usr/lib/python3/dist-packages/statsd/__init__.py"), "python3-statsd is missing")
    )
    func statsd() throws {
        let port = try FreePort.next()
        let tree = try tree("statsd") {
            "statsd:\n  listen: 127.0.0.1:\(port)\n  socket: \($0.file("statsd.sock"))\n"
        }
        let script = """
            import socket, statsd
            client = statsd.StatsClient("127.0.0.1", \(port), prefix="smoke")
            for value in range(100):
                client.incr("plays", 2)
                client.timing("start", 50 + value)
            client.gauge("listeners", 40)
            client.gauge("listeners", 2, delta=True)
            with client.pipeline() as pipe:
                for user in range(30): pipe.set("users", user % 10)
            unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            unix.connect("\(tree.folder.file("statsd.sock"))")
            unix.send(b"smoke.requests:1:2|c|@0.5|#mount:/a.mp3\\nnonsense")
            """
        let python = try ProcessUnderTest(["/usr/bin/python3", "-c", script], output: tree.folder.file("python.log"))
        #expect(python.wait(upToSeconds: 30) == .code(0))
        try tree.expect("smoke_plays_total", 200)
        try tree.expect("smoke_listeners", 42)
        try tree.expect("smoke_requests_total{mount=\"/a.mp3\"}", 6)
        try tree.expect("max_over_time(smoke_users[1m])", 10)
        try tree.expect("smoke_start_seconds_count", 100)
        try tree.expect("max_over_time(smoke_start_seconds{quantile=\"0.5\"}[1m])", 0.0995, within: 0.0015)
        let dropped = "stagebox_agent_source_dropped_total{source=\"statsd\",reason=\"malformed\"}"
        #expect(try tree.agentMetrics()[dropped] == 1)
    }

    @Test(
        "scraping: Debian's node_exporter, found by file, until it is gone",
        .enabled(if: Files.isExecutable("/usr/bin/prometheus-node-exporter"), "node_exporter is missing"))
    func scraping() throws {
        let port = try FreePort.next()
        let exporter = try ProcessUnderTest([
            "/usr/bin/prometheus-node-exporter", "--web.listen-address=127.0.0.1:\(port)",
        ])
        defer { exporter.killNow() }
        try #require(Waiting.until(withinSeconds: 20) { FreePort.isListening(port) }, "node_exporter does not listen")
        let tree = try tree("scraping") { folder in
            let file = "[{\"targets\":[\"127.0.0.1:\(port)\"],\"labels\":{\"job\":\"node\",\"rack\":\"r1\"}}]"
            try Files.write(Array(file.utf8), to: folder.file("targets.json"))
            return """
                scrape:
                  files: \(folder.file("tar*.json"))
                  interval: 1 s
                scrape-metric-relabel:
                  1: drop __name__ go_.*|process_.*

                """
        }
        let labels = "exported_job=\"node\",exported_instance=\"127.0.0.1:\(port)\",rack=\"r1\""
        try tree.expect("up{\(labels)}", 1)
        try tree.expect("count(node_load1{\(labels)})", 1)
        try tree.expect("count({__name__=~\"go_.*\",\(labels)}) or vector(-1)", -1)
        try tree.expect("scrape_samples_scraped{\(labels)} > bool 300", 1)
        try tree.wait("what the target says of its metrics is known", seconds: 20) {
            try tree.api("GET", "/api/v1/metadata?metric=node_load1").text.contains("\"help\":\"1m load average.\"")
        }
        // The kernel's own counters, read twice by different programs, agree to the seconds between.
        try tree.expect(
            "abs(node_boot_time_seconds{\(labels)} - on() node_boot_time_seconds{exported_job=\"\"})", 0, within: 1)
        exporter.killNow()
        try tree.expect("up{\(labels)}", 0)
        try tree.expect("count(node_load1{\(labels)}) or vector(-1)", -1)
    }

    @Test(
        "access log: Debian's nginx over a rotation and a killed agent, each request once",
        .enabled(if: Files.isExecutable("/usr/sbin/nginx"), "nginx is missing"))
    func nginx() throws {
        let web = try NginxUnderTest()
        let tree = try tree("nginx") { _ in "access-logs:\n  web: nginx \(web.log)\n" }
        let requests = "access_log_requests_total{log=\"web\",status=\"2xx\"}"
        try tree.expect(requests, 0)
        for _ in 0..<20 { _ = try HTTPLoopback.send("GET", "/", port: web.port) }
        for _ in 0..<3 { _ = try HTTPLoopback.send("GET", "/missing", port: web.port) }
        try tree.expect(requests, 20)
        try tree.expect("access_log_requests_total{log=\"web\",status=\"4xx\"}", 3)
        try tree.expect("access_log_request_seconds_count{log=\"web\"}", 23)
        try tree.expect("access_log_response_bytes_total{log=\"web\"} > bool 100", 1)
        try web.rotate()
        for _ in 0..<5 { _ = try HTTPLoopback.send("GET", "/", port: web.port) }
        try tree.expect(requests, 25)
        tree.killAgent()
        for _ in 0..<4 { _ = try HTTPLoopback.send("GET", "/", port: web.port) }
        try web.rotate()
        for _ in 0..<3 { _ = try HTTPLoopback.send("GET", "/", port: web.port) }
        try tree.startAgent()
        // A new count, of what the one before had not committed.
        try tree.expect(requests, 7)
    }

    @Test(
        "Icecast: listeners from its status, listened seconds from its log",
        .enabled(if: Files.isExecutable("/usr/bin/icecast2"), "icecast2 is missing"))
    func icecast() throws {
        let radio = try IcecastUnderTest(mount: "/live.mp3")
        let tree = try tree("icecast") { _ in
            """
            access-logs:
              radio: icecast \(radio.log)
            icecast:
              radio: http://127.0.0.1:\(radio.port)/status-json.xsl

            """
        }
        try tree.expect("icecast_up{server=\"radio\"}", 1)
        try tree.expect("icecast_listeners{server=\"radio\",mount=\"/live.mp3\"}", 0)
        try tree.expect("icecast_source_bitrate_bits_per_second{mount=\"/live.mp3\"}", 128_000)
        let listeners = try [radio.listener("/live.mp3"), radio.listener("/live.mp3")]
        try tree.expect("icecast_listeners{server=\"radio\",mount=\"/live.mp3\"}", 2)
        let began = monotonicSeconds()
        _ = Waiting.until(withinSeconds: 3) { monotonicSeconds() - began > 2.5 }
        listeners.forEach { $0.killNow() }
        try tree.expect("icecast_listeners{server=\"radio\",mount=\"/live.mp3\"}", 0)
        try tree.expect("access_log_mount_requests_total{log=\"radio\",mount=\"/live.mp3\"}", 2)
        // Two listeners of more than two whole seconds each.
        try tree.expect("access_log_listener_seconds_total{log=\"radio\",mount=\"/live.mp3\"} >= bool 4", 1)
        try tree.expect("access_log_session_seconds_count{log=\"radio\",mount=\"/live.mp3\"}", 2)
    }

    @Test(
        "HLS: a playlist served by Debian's nginx moves, stands still and ends",
        .enabled(if: Files.isExecutable("/usr/sbin/nginx"), "nginx is missing"))
    func playlist() throws {
        let web = try NginxUnderTest()
        func publish(_ sequence: Int, ends: Bool = false) throws {
            let text = """
                #EXTM3U
                #EXT-X-TARGETDURATION:1
                #EXT-X-MEDIA-SEQUENCE:\(sequence)
                #EXTINF:1.0,
                s\(sequence).ts
                #EXTINF:1.0,
                s\(sequence + 1).ts
                \(ends ? "#EXT-X-ENDLIST" : "")

                """
            try Files.write(Array(text.utf8), to: "\(web.files)/media.m3u8")
        }
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=128000\nmedia.m3u8\n"
        try Files.write(Array(master.utf8), to: "\(web.files)/main.m3u8")
        try publish(7)
        let tree = try tree("playlist") { _ in "playlists:\n  main: http://127.0.0.1:\(web.port)/main.m3u8\n" }
        try tree.expect("hls_playlist_media_sequence{playlist=\"main\"}", 7)
        try tree.expect("hls_playlist_stale{playlist=\"main\"}", 1)
        try publish(8)
        try tree.expect("hls_playlist_media_sequence{playlist=\"main\"}", 8)
        try tree.expect("min_over_time(hls_playlist_unchanged_seconds{playlist=\"main\"}[10s])", 0)
        try publish(8, ends: true)
        try tree.expect("hls_playlist_ended{playlist=\"main\"}", 1)
        try tree.expect("hls_playlist_stale{playlist=\"main\"}", 0)
        #expect(unlink("\(web.files)/media.m3u8") == 0)
        try tree.expect("hls_playlist_up{playlist=\"main\"}", 0)
        try tree.expect("count(hls_playlist_media_sequence{playlist=\"main\"}) or vector(-1)", -1)
    }

    @Test("OTLP: a counter and a histogram at the intake, in JSON and in protobuf from an encoder of its own")
    func otlp() throws {
        let tree = try tree("otlp") { _ in "" }
        let script = """
            import json, struct, time, urllib.request
            now = time.time_ns()
            def post(path, body, kind):
                request = urllib.request.Request("http://127.0.0.1:\(tree.intakePort)" + path, body, {"Content-Type": kind})
                return urllib.request.urlopen(request).read()
            point = {"timeUnixNano": str(now), "startTimeUnixNano": str(now - 10**9)}
            def wrap(metrics):
                service = {"key": "service.name", "value": {"stringValue": "player"}}
                return {"resourceMetrics": [{"resource": {"attributes": [service]}, "scopeMetrics": [{"metrics": metrics}]}]}
            plays = {"name": "plays", "sum": {"isMonotonic": True, "aggregationTemporality": 2,
                "dataPoints": [dict(point, asInt="12")]}}
            delta = {"name": "delta", "sum": {"isMonotonic": True, "aggregationTemporality": 1,
                "dataPoints": [dict(point, asInt="1")]}}
            answer = json.loads(post("/v1/metrics", json.dumps(wrap([plays, delta])).encode(), "application/json"))
            assert answer["partialSuccess"]["rejectedDataPoints"] == "1", answer
            def varint(n):
                out = b""
                while n > 127:
                    out += bytes([n & 127 | 128]); n >>= 7
                return out + bytes([n])
            def field(number, body): return varint(number << 3 | 2) + varint(len(body)) + body
            value = b"\\x19" + struct.pack("<Q", now) + b"\\x21" + struct.pack("<Q", 3)
            value += b"\\x29" + struct.pack("<d", 4.5) + field(6, struct.pack("<QQ", 1, 2)) + field(7, struct.pack("<d", 1))
            histogram = field(1, value) + b"\\x10\\x02"
            metric = field(1, b"startup") + field(3, b"s") + field(9, histogram)
            body = field(1, field(2, field(2, metric)))
            assert post("/v1/metrics", body, "application/x-protobuf") == b""
            """
        let python = try ProcessUnderTest(["/usr/bin/python3", "-c", script], output: tree.folder.file("python.log"))
        #expect(python.wait(upToSeconds: 30) == .code(0), "\((try? Files.text(tree.folder.file("python.log"))) ?? "")")
        try tree.expect("plays_total{exported_job=\"player\"}", 12)
        try tree.expect("startup_seconds_count", 3)
        try tree.expect("startup_seconds_sum", 4.5)
        try tree.expect("startup_seconds_bucket{le=\"1.0\"} or startup_seconds_bucket{le=\"1\"}", 1)
    }
}

extension SmokeTree {
    /// Waits until an instant query gives this one value.
    func expect(_ expression: String, _ value: Double, within tolerance: Double = 0, seconds: Double = 30) throws {
        var last = "no answer"
        let isMet = try Waiting.until(withinSeconds: seconds) {
            let values = try instant(expression)
            last = "\(values)"
            return values.count == 1 && abs(values[0] - value) <= tolerance
        }
        guard isMet else { throw Failure(description: "\(expression) is \(last), not \(value)\n\(tails)") }
    }

    /// The values of an instant query, without their labels.
    func instant(_ expression: String) throws -> [Double] {
        let escaped = expression.utf8.map { byte -> String in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            let digits = String(byte, radix: 16, uppercase: true)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (digits.count == 1 ? "0" : "") + digits
        }
        let answer = try api("GET", "/api/v1/query?query=\(escaped.joined())")
        return try Answers.decode(InstantAnswer.self, answer).data.result.compactMap { Double($0.value.text) }
    }
}

/// Prometheus' answer to an instant query.
private struct InstantAnswer: Decodable {
    struct Data: Decodable { let result: [Element] }
    struct Element: Decodable { let value: Point }
    /// `[time, "value"]`.
    struct Point: Decodable {
        let text: String
        init(from decoder: any Decoder) throws {
            var list = try decoder.unkeyedContainer()
            _ = try list.decode(Double.self)
            text = try list.decode(String.self)
        }
    }
    let data: Data
}
