import Access
import ArgumentParser
import Foundation
import MQTT
import RuntimeSupport
import Telemetry

/// `stagebox demo`: broker, aggregator and agent as one process tree, on real input.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring up broker, aggregator and an agent on this machine; Ctrl-C removes every trace.")

    @Option(help: "Where everything goes; kept afterwards. Without it a temporary folder is used and removed.")
    var dataDir: String?

    @Option(help: "Port of the API and the dashboard on 127.0.0.1; 0 takes a free one.")
    var httpPort = 8480

    @Option(help: "Run this long unattended, check that everything adds up, and exit 0 only then.")
    var seconds: Int?

    @Flag(help: "Without an agent and its events: only broker and aggregator.")
    var noAgent = false

    @Option(help: "Days that samples are kept, \"off\" to take samples of any time, or raw=…,5m=…,1h=… for each tier.")
    var retention: String?

    @Option(help: "Folder of the dashboard's pages.")
    var webRoot: String?

    static let tenant = "demo"
    static let agent = "this-machine"

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let stop = StopSignal()
        let folder = try dataDir ?? Self.temporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let tree = DemoTree(folder: folder)
        defer {
            tree.stopAll()
            if dataDir == nil { try? FileManager.default.removeItem(atPath: folder) }  // best effort on the way out
        }
        let access = try startAggregator(tree, folder, stop)
        guard !stop.isRequested else { return }
        print("dashboard   \(access.url)/")
        print("token       \(access.tokens.operator)   (operator of tenant \(access.tenant))")
        print("all access  \(folder)/access.json")
        var intakePort: Int?
        var events: SampleEvents?
        if !noAgent {
            let port = try startAgent(tree, folder, access, stop)
            intakePort = port
            events = SampleEvents(port: port)
            events?.start()
            print("agent       sends this machine's own metrics; play events are generated: a labelled sample")
        }
        guard let seconds else {
            print("Ctrl-C ends it and removes every trace.")
            // A pipe or a file shows it now, not at the end.
            fflush(nil)
            while !stop.wait(milliseconds: 1000) { try tree.checkAlive() }
            return
        }
        _ = stop.wait(milliseconds: Int64(seconds) * 1000)
        guard !stop.isRequested else { throw CommandFailure("interrupted before the check") }
        events?.stop()
        try tree.checkAlive()
        try DemoCheck(access: access, intakePort: intakePort).run(sent: events?.accepted ?? 0)
    }

    private static func temporaryFolder() throws -> String {
        var template = Array("/tmp/stagebox-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CommandFailure("cannot make a folder below /tmp") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func startAggregator(_ tree: DemoTree, _ folder: String, _ stop: StopSignal) throws -> DemoAccess {
        // A kept folder has an agent that knows the broker's port.
        let brokerPort = try DemoAccess(readingFrom: folder)?.brokerPort ?? LoopbackPort.free()
        if httpPort != 0, let reason = LoopbackPort.problem(httpPort) {
            throw CommandFailure(
                "port \(httpPort) cannot be used (\(reason)): give another, or --http-port 0 for a free one")
        }
        let port = httpPort == 0 ? try LoopbackPort.free() : httpPort
        let data = "\(folder)/aggregator"
        var arguments = [
            "--data-dir", data, "--http-port", "\(port)", "--broker-port", "\(brokerPort)", "--tenant", Self.tenant,
            "--web-root", webRoot ?? DemoTree.webRoot, "--log-level", "warning", "--promql-experimental",
        ]
        if let retention { arguments += ["--retention", retention] }
        try tree.start("stagebox-aggregator", arguments, log: "\(folder)/aggregator.log")
        let url = "http://127.0.0.1:\(port)"
        try tree.wait("the aggregator", seconds: 60, stop) {
            (try? Session(url: url, token: "").send("GET", "/readyz")) != nil
        }
        let store = try AccessStore(path: "\(data)/access.sqlite", now: SystemTimeSource().now)
        func token(_ role: Role) throws -> String {
            try store.createToken(
                role: role, tenant: TenantID(validating: Self.tenant), name: "demo", expiresAt: nil,
                now: SystemTimeSource().now
            ).0.text
        }
        let access = DemoAccess(
            url: url, tenant: Self.tenant,
            tokens: DemoAccess.Tokens(
                admin: try token(.admin), operator: try token(.operator), ingest: try token(.ingest)),
            broker: "mqtts://127.0.0.1:\(brokerPort)")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let isWritten = FileManager.default.createFile(
            atPath: "\(folder)/access.json", contents: try encoder.encode(access),
            attributes: [.posixPermissions: 0o600])
        guard isWritten else { throw CommandFailure("cannot write \(folder)/access.json") }
        return access
    }

    /// Enrols through the real path and starts the agent.
    /// - Returns: the port of its intake.
    private func startAgent(
        _ tree: DemoTree, _ folder: String, _ access: DemoAccess, _ stop: StopSignal
    ) throws -> Int {
        let intake = try LoopbackPort.free()
        let options = ["--data-directory", "\(folder)/agent", "--intake-port", "\(intake)"]
        if !FileManager.default.fileExists(atPath: "\(folder)/agent/identity.sealed") {
            try tree.runToEnd(
                "stagebox-agent", ["enrol", access.url, try enrolmentToken(access, folder)] + options,
                log: "\(folder)/agent.log")
        }
        // Half the usual interval, so that a visitor sees something soon.
        try tree.start("stagebox-agent", ["run"] + options + ["--flush-seconds", "5"], log: "\(folder)/agent.log")
        try tree.wait("the agent", seconds: 30, stop) {
            (try? Session(url: "http://127.0.0.1:\(intake)", token: "").send("GET", "/healthz")) != nil
        }
        return intake
    }

    private func enrolmentToken(_ access: DemoAccess, _ folder: String) throws -> String {
        let admin = Session(url: access.url, token: access.tokens.admin)
        return try PseudonymKeys(session: admin, directory: "\(folder)/pseudonyms").token([
            "agent": Self.agent, "region": "local", "site": "demo", "job": "stagebox", "expires_in_seconds": 600,
        ])
    }
}

/// What black-box checks read: `D/access.json`.
struct DemoAccess: Codable, Sendable {
    struct Tokens: Codable, Sendable {
        var admin: String
        var `operator`: String
        var ingest: String
    }
    var url: String
    var tenant: String
    var tokens: Tokens
    var broker: String

    var brokerPort: Int? { broker.split(separator: ":").last.flatMap { Int($0) } }
}

extension DemoAccess {
    /// What an earlier demonstration left in its folder; nil when there was none.
    init?(readingFrom folder: String) throws {
        guard let data = FileManager.default.contents(atPath: "\(folder)/access.json") else { return nil }
        self = try JSONDecoder().decode(DemoAccess.self, from: data)
    }
}

/// A port that nothing listens on right now.
enum LoopbackPort {
    static func free() throws -> Int {
        guard case .success(let port) = bound(to: 0) else { throw CommandFailure("no free port on 127.0.0.1") }
        return Int(port)
    }

    /// Why a server could not listen on this port now; nil if it could.
    static func problem(_ port: Int) -> String? {
        guard let port = UInt16(exactly: port) else { return "a port is at most 65535" }
        guard case .failure(let failure) = bound(to: port) else { return nil }
        return failure.code == EADDRINUSE ? "something listens there already" : String(cString: strerror(failure.code))
    }

    private struct Failure: Error { let code: Int32 }

    /// As servers bind: connections of an earlier run that still linger are no obstacle.
    private static func bound(to port: UInt16) -> Result<UInt16, Failure> {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return .failure(Failure(code: errno)) }
        defer { close(descriptor) }
        var isOn: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard bind(descriptor, generic, length) == 0, getsockname(descriptor, generic, &length) == 0 else {
                    return .failure(Failure(code: errno))
                }
                return .success(UInt16(bigEndian: pointer.pointee.sin_port))
            }
        }
    }
}
