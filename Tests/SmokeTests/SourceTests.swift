import Glibc
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
