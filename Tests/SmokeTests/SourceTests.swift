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
