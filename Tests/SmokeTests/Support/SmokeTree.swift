import Glibc
import MQTT
import Telemetry
import TestSupport

/// Aggregator with its broker child, and one enrolled agent: real processes on loopback in a folder of their own.
///
/// Not `Sendable`: one test owns it. ``stopAll()`` ends everything, also after a failed expectation.
final class SmokeTree {
    struct Failure: Error, CustomStringConvertible { let description: String }

    static let tenant = "smoke"
    static let agentName = "node-1"

    let folder: TemporaryDirectory
    let httpPort: UInt16
    let brokerPort: UInt16
    let intakePort: UInt16
    private(set) var aggregator: ProcessUnderTest?
    private(set) var agent: ProcessUnderTest?
    private var adminToken = ""
    /// Added to the agent's flags at each start.
    var agentOptions: [String]
    /// Groups that the agent is enrolled into.
    var groups = ""
    private var aggregatorOptions: [String] = []

    /// Nothing is started yet.
    init(_ label: String, agentOptions: [String] = []) throws {
        folder = try TemporaryDirectory(label)
        httpPort = try FreePort.next()
        brokerPort = try FreePort.next()
        intakePort = try FreePort.next()
        self.agentOptions = agentOptions
    }

    deinit { stopAll() }

    /// Aggregator and token, without an agent.
    func startCentre(_ options: [String] = []) throws {
        aggregatorOptions = options
        try startAggregator()
        adminToken = try output(
            "stagebox",
            ["token", "create", "--role", "admin", "--tenant", Self.tenant, "--data-dir", folder.file("aggregator")])
    }

    /// Aggregator, token, enrolment, agent; returns when the agent's intake answers.
    func start() throws {
        try startCentre()
        let made = try api(
            "POST", "/api/v1/admin/enrolments",
            body: "{\"agent\":\"\(Self.agentName)\",\"region\":\"local\",\"site\":\"smoke\",\"job\":\"stagebox\","
                + "\"groups\":\"\(groups)\"}")
        try startAgent(enrolledWith: Answers.decode(Answers.Token.self, made).token)
    }

    /// Enrols this tree's agent, and starts it.
    func startAgent(enrolledWith token: String) throws {
        _ = try output("stagebox-agent", ["enrol", "http://127.0.0.1:\(httpPort)", token] + agentFlags)
        try startAgent()
    }

    /// Takes the agent away with everything that it knows, so that another one can enrol in its place.
    func forgetAgent() throws {
        agent?.terminate()
        _ = try ProcessUnderTest(["/bin/rm", "-rf", folder.file("agent")]).wait()
    }

    // MARK: Processes

    /// Returns when the API answers and the broker listens.
    func startAggregator() throws {
        aggregator = try ProcessUnderTest(
            [
                SmokePrograms.path("stagebox-aggregator"), "--data-dir", folder.file("aggregator"), "--http-port",
                "\(httpPort)", "--broker-port", "\(brokerPort)", "--tenant", Self.tenant, "--web-root", "none",
            ] + aggregatorOptions, output: folder.file("aggregator.log"))
        try wait("the aggregator is ready", seconds: 60) {
            guard aggregator?.isRunning == true else { throw Failure(description: "the aggregator ended\n\(tails)") }
            return (try? api("GET", "/readyz")) != nil && FreePort.isListening(brokerPort)
        }
    }

    private var agentFlags: [String] {
        ["--data-directory", folder.file("agent"), "--intake-port", "\(intakePort)"] + agentOptions
    }

    /// Returns when the intake answers.
    func startAgent(flushSeconds: Double = 0.5) throws {
        agent = try ProcessUnderTest(
            [SmokePrograms.path("stagebox-agent"), "run"] + agentFlags + ["--flush-seconds", "\(flushSeconds)"],
            output: folder.file("agent.log"))
        try wait("the agent's intake answers", seconds: 60) {
            guard agent?.isRunning == true else { throw Failure(description: "the agent ended\n\(tails)") }
            return (try? intake("GET", "/healthz").status) == 200
        }
    }

    func killAgent() { agent?.killNow() }

    /// Its broker child dies with it.
    func killAggregator() { aggregator?.killNow() }

    /// SIGKILL to the broker; the aggregator's supervision starts it again. Nothing when none runs right now.
    func killBroker() {
        guard let pid = brokerPID else { return }
        kill(pid, SIGKILL)
    }

    /// The broker by its pid file, and only if its command line names our configuration.
    private var brokerPID: pid_t? {
        let configuration = folder.file("aggregator/broker/mosquitto.conf")
        guard let text = try? Files.text(folder.file("aggregator/broker/mosquitto.pid")),
            let pid = pid_t(text.prefix { $0.isNumber }), pid > 1,
            let command = try? Files.text("/proc/\(pid)/cmdline"),
            command.split(separator: "\0").contains(Substring(configuration))
        else { return nil }
        return pid
    }

    /// SIGKILL to the whole tree.
    func stopAll() {
        let broker = brokerPID
        killAgent()
        killAggregator()
        if let broker, brokerPID == broker { kill(broker, SIGKILL) }
        agent = nil
        aggregator = nil
    }

    /// Bytes of the agent's largest resident set so far (VmHWM), or of its present one (VmRSS).
    func agentMemory(_ field: String) throws -> Int {
        guard let agent else { throw Failure(description: "no agent runs") }
        let status = try Files.text("/proc/\(agent.identifier)/status")
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("\(field):") }),
            let kibibytes = Int(line.drop { !$0.isNumber }.prefix { $0.isNumber })
        else { throw Failure(description: "no \(field) of the agent") }
        return kibibytes * 1024
    }

    // MARK: Asking

    /// - Throws: for any status outside 200…299.
    func api(_ method: String, _ path: String, body: String = "") throws -> HTTPExchange.Answer {
        let answer = try HTTPLoopback.send(
            method, path, headers: [("Authorization", "Bearer \(adminToken)")], body: Array(body.utf8), port: httpPort)
        guard (200..<300).contains(answer.status) else {
            throw Failure(description: "\(method) \(path): \(answer.status) \(answer.text.prefix(300))")
        }
        return answer
    }

    /// Any status.
    func post(_ path: String, _ body: [UInt8]) throws -> HTTPExchange.Answer {
        try HTTPLoopback.send(
            "POST", path, headers: [("Authorization", "Bearer \(adminToken)")], body: body, port: httpPort)
    }

    /// Onto the agent's own configuration topic, with the aggregator's access to the broker.
    func publishAsAggregator(_ payload: [UInt8]) throws {
        let file = folder.file("payload")
        try Files.write(payload, to: file)
        let broker = folder.file("aggregator/broker")
        let password = try Files.read("\(broker)/aggregator.password")
        let process = try ProcessUnderTest([
            "/usr/bin/mosquitto_pub", "-h", "127.0.0.1", "-p", "\(brokerPort)", "-V", "5", "--cafile",
            folder.file("aggregator/tls/ca.pem"), "--tls-version", "tlsv1.3", "-q", "1", "-u", "_aggregator", "-P",
            Hexadecimal.encode(password), "-t", "stagebox/1/\(Self.tenant)/\(Self.agentName)/down/config", "-f", file,
        ])
        guard process.wait(upToSeconds: 20) == .code(0) else { throw Failure(description: "mosquitto_pub failed") }
    }

    /// Whatever the status.
    func exchange(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) throws -> HTTPExchange.Answer {
        try HTTPLoopback.send(
            method, path, headers: [("Authorization", "Bearer \(adminToken)")] + headers, body: body, port: httpPort)
    }

    func intake(_ method: String, _ path: String, body: String = "") throws -> HTTPExchange.Answer {
        try HTTPLoopback.send(method, path, body: Array(body.utf8), port: intakePort)
    }

    /// Runs `stagebox` to its end, signed in as the administrator.
    /// - Returns: whether it succeeded, and what it printed.
    func stagebox(_ arguments: [String]) throws -> (isDone: Bool, text: String) {
        let path = folder.file("output-command.txt")
        unlink(path)
        let process = try ProcessUnderTest(
            [SmokePrograms.path("stagebox")] + arguments,
            environment: [
                "STAGEBOX_URL": "http://127.0.0.1:\(httpPort)", "STAGEBOX_TOKEN": adminToken,
                "XDG_CONFIG_HOME": folder.file("configuration"),
            ], output: path)
        let exit = process.wait(upToSeconds: 60)
        return (exit == .code(0), try Files.text(path))
    }

    func wait(_ what: String, seconds: Double, until condition: () throws -> Bool) throws {
        guard try Waiting.until(withinSeconds: seconds, condition) else {
            throw Failure(description: "not within \(Int(seconds)) s: \(what)\n\(tails)")
        }
    }

    /// Runs a program to its end.
    private func output(_ program: String, _ arguments: [String]) throws -> String {
        let path = folder.file("output-\(program).txt")
        unlink(path)
        let process = try ProcessUnderTest([SmokePrograms.path(program)] + arguments, output: path)
        let exit = process.wait(upToSeconds: 60)
        let text = String(try Files.text(path).filter { $0 != "\n" })
        guard exit == .code(0) else { throw Failure(description: "\(program): \(String(describing: exit)): \(text)") }
        return text
    }

    /// The last lines of both logs, for messages.
    var tails: String {
        ["agent.log", "aggregator.log"].map { name in
            let lines = ((try? Files.text(folder.file(name))) ?? "").split(separator: "\n").suffix(12)
            return "— \(name)\n" + lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }
}

/// One request on a connection of its own.
enum HTTPLoopback {
    static func send(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        port: UInt16
    ) throws -> HTTPExchange.Answer {
        let connection = try PinnedConnection(host: "127.0.0.1", port: port, keyHash: nil)
        return try HTTPExchange.send(
            method, path, headers: headers, body: body, to: HTTPExchange.Address("http://127.0.0.1:\(port)"),
            over: connection, answerBytesMax: 1 << 30)
    }
}
