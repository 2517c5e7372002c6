import Access
import Glibc
import Synchronization
import Telemetry
import TestSupport

/// A supervised mosquitto on a free loopback port with TLS and the aggregator's own files, spoken to with
/// mosquitto's command line clients.
final class BrokerUnderTest: Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let agents: [String]
    let port: UInt16
    private let directory: TemporaryDirectory
    private let files: BrokerFiles
    private let certificates: BrokerCertificates
    private let child: BrokerChild
    private let credentials: [BrokerCredential]
    private let passwords: [String: String]
    private let count = Mutex(0)

    /// - Parameter agents: user names, `tenant/agent`.
    init(_ agents: [String], groups: [String: [String]] = [:]) throws {
        self.agents = agents
        directory = try TemporaryDirectory("broker")
        port = try FreePort.next()
        let folder = directory.file("broker")
        files = try BrokerFiles(BrokerConfiguration(directory: folder, port: port))
        certificates = try BrokerCertificates(directory: directory.file("tls"), hosts: ["localhost", "127.0.0.1"])
        var passwords = [BrokerFiles.aggregatorUser: files.aggregatorPassword]
        credentials = try agents.map { name in
            let parts = name.split(separator: "/").map(String.init)
            passwords[name] = "password of \(name)"
            return BrokerCredential(
                tenant: TenantID(unchecked: parts[0]), agent: AgentID(unchecked: parts[1]),
                passwordHash: try PasswordHash.make("password of \(name)"),
                groups: (groups[name] ?? []).map { GroupName(unchecked: $0) })
        }
        self.passwords = passwords
        try files.write(credentials)
        try files.writeConfiguration(certificates)
        child = BrokerChild(configurationPath: files.configurationPath, directory: folder) { _ in }
        try child.start()
        guard Waiting.until(withinSeconds: 20, { FreePort.isListening(port) }) else {
            let log = (try? Files.text("\(folder)/mosquitto.log")) ?? ""
            child.stop()
            throw Failure(description: "mosquitto does not listen: \(log)")
        }
    }

    var processIdentifier: Int32 { child.processIdentifier }
    func stop() { child.stop() }

    /// Leaves only these agents their access, and has the running broker read the files.
    func setAgents(_ names: [String]) throws {
        if try files.write(credentials.filter { names.contains($0.userName) }) { child.reload() }
    }

    private func client(
        _ program: String, _ user: String?, password: String?, trusting authority: String? = nil
    ) -> [String] {
        let trusted = authority ?? certificates.authorityPath
        var arguments = [
            "/usr/bin/\(program)", "-h", "127.0.0.1", "-p", "\(port)", "-V", "5", "--cafile", trusted, "--tls-version",
            "tlsv1.3", "-q", "1",
        ]
        if let user { arguments += ["-u", user] }
        if let password { arguments += ["-P", password] }
        return arguments
    }

    func publish(_ topic: String, _ text: String, as user: String, retained: Bool = false, trusting: String? = nil)
        throws -> Bool
    {
        try publish(topic, text, as: user, password: passwords[user], retained: retained, trusting: trusting)
    }

    /// - Returns: whether the client got in and out without an error. A broker may acknowledge what it then drops.
    func publish(
        _ topic: String, _ text: String, as user: String?, password: String?, retained: Bool = false,
        trusting: String? = nil
    ) throws -> Bool {
        let arguments = client("mosquitto_pub", user, password: password, trusting: trusting)
        let process = try ProcessUnderTest(arguments + ["-t", topic, "-m", text] + (retained ? ["-r"] : []))
        guard let exit = process.wait(upToSeconds: 20) else {
            process.killNow()
            throw Failure(description: "mosquitto_pub to \(topic) does not end")
        }
        return exit == .code(0)
    }

    /// Returns once the broker has granted the subscription.
    func subscribe(_ topics: [String], as user: String) throws -> Listener {
        let number = count.withLock { count in
            count += 1
            return count
        }
        let output = directory.file("subscriber-\(number)")
        let arguments = client("mosquitto_sub", user, password: passwords[user])
        // Line by line and with the protocol's steps, so that the SUBACK is seen.
        let process = try ProcessUnderTest(
            ["/usr/bin/stdbuf", "-oL", "-eL"] + arguments + ["-d", "-F", "received %t %p"]
                + topics.flatMap { ["-t", $0] }, output: output)
        let listener = Listener(process: process, output: output)
        guard Waiting.until(withinSeconds: 20, { listener.text.contains("Subscribed (mid") }) else {
            throw Failure(description: "\(user) is not subscribed: \(listener.text)")
        }
        return listener
    }

    /// What one subscriber gets.
    final class Listener: Sendable {
        private let process: ProcessUnderTest
        private let output: String
        init(process: ProcessUnderTest, output: String) {
            self.process = process
            self.output = output
        }
        var text: String { (try? Files.text(output)) ?? "" }

        /// Every different message, `topic payload`, once `last` has come.
        func received(until last: String) throws -> Set<String> {
            guard Waiting.until(withinSeconds: 20, { text.contains("\(last)\n") }) else {
                throw Failure(description: "\"\(last)\" does not arrive: \(text)")
            }
            process.killNow()
            let prefix = "received "
            return Set(
                text.split(separator: "\n").filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) })
        }
    }
}
