import Glibc
import TestSupport

/// A real mosquitto on a loopback port of its own, killed when released.
final class BrokerProcess {
    static let path = "/usr/sbin/mosquitto"
    static var isInstalled: Bool { Files.isExecutable(path) && Files.isExecutable(openssl) }
    static let openssl = "/usr/bin/openssl"

    let directory: TemporaryDirectory
    let port: UInt16
    private var process: ProcessUnderTest

    /// - Parameter settings: more lines of mosquitto.conf; `DIR` stands for the broker's directory.
    init(_ settings: String = "allow_anonymous true") throws {
        directory = try TemporaryDirectory("broker")
        var chosen: UInt16 = 0
        var started: ProcessUnderTest?
        for _ in 0..<5 where started == nil {
            chosen = try FreePort.next()
            started = try Self.start(directory, chosen, settings)
        }
        port = chosen
        guard let started else {
            throw SystemError("mosquitto does not listen: \(try Files.text(directory.file("log")))")
        }
        process = started
    }

    func kill() { process.killNow() }

    private static func start(_ directory: TemporaryDirectory, _ port: UInt16, _ settings: String) throws
        -> ProcessUnderTest?
    {
        var lines = ""
        for line in settings.split(separator: "\n") {
            lines +=
                line.split(separator: " ").map {
                    $0.hasPrefix("DIR/") ? "\(directory.path)/\($0.dropFirst(4))" : String($0)
                }
                .joined(separator: " ") + "\n"
        }
        // mosquitto drops to its own user when root starts it; "user root" keeps the files readable.
        let configuration = try directory.write("user root\nlistener \(port) 127.0.0.1\n\(lines)", to: "mosquitto.conf")
        let process = try ProcessUnderTest([path, "-c", configuration], output: directory.file("log"))
        let isUp = Waiting.until(withinSeconds: 20) { FreePort.isListening(port) || !process.isRunning }
        return isUp && process.isRunning ? process : nil
    }
}

/// A certificate authority and a server certificate for 127.0.0.1 and localhost, made by openssl(1).
struct TestCertificates {
    let authorityPEM: String

    /// Writes `ca.pem`, `server.pem` and `server.key` into the directory.
    init(in directory: TemporaryDirectory) throws {
        try directory.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n", to: "extensions")
        let (ca, caKey) = (directory.file("ca.pem"), directory.file("ca.key"))
        try Self.run(
            "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", caKey, "-out", ca, "-days", "30", "-subj",
            "/CN=stagebox test authority")
        try Self.run(
            "req", "-newkey", "ed25519", "-nodes", "-keyout", directory.file("server.key"), "-out",
            directory.file("server.csr"), "-subj", "/CN=broker")
        try Self.run(
            "x509", "-req", "-in", directory.file("server.csr"), "-CA", ca, "-CAkey", caKey, "-CAcreateserial",
            "-out", directory.file("server.pem"), "-days", "10", "-extfile", directory.file("extensions"))
        authorityPEM = try Files.text(ca)
    }

    static let brokerSettings = """
        allow_anonymous true
        cafile DIR/ca.pem
        certfile DIR/server.pem
        keyfile DIR/server.key
        tls_version tlsv1.3
        """

    private static func run(_ arguments: String...) throws {
        let exit = try ProcessUnderTest([BrokerProcess.openssl] + arguments).wait()
        guard exit == .code(0) else { throw SystemError("openssl \(arguments.joined(separator: " ")): \(exit)") }
    }
}
