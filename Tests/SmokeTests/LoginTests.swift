import Glibc
import MQTT
import TestSupport
import Testing

/// Signing in over TLS, and what systemd hears: an aggregator by itself, without agents.
extension RealProcessTests {
    /// An aggregator that listens beyond loopback, so that it speaks TLS.
    private final class TLSCentre {
        let folder: TemporaryDirectory
        let port: UInt16
        private var process: ProcessUnderTest?

        init(_ label: String, environment: [String: String] = [:]) throws {
            folder = try TemporaryDirectory(label)
            port = try FreePort.next()
            let arguments = [
                "--data-dir", data, "--http-host", "0.0.0.0", "--http-port", "\(port)", "--broker-port",
                "\(try FreePort.next())", "--public-host", "localhost", "--tenant", "north", "--web-root", "none",
            ]
            process = try ProcessUnderTest(
                [SmokePrograms.path("stagebox-aggregator")] + arguments, environment: environment,
                output: folder.file("log"))
            guard Waiting.until(withinSeconds: 60, { FreePort.isListening(port) }) else {
                throw SmokeTree.Failure(description: "no aggregator: \((try? Files.text(folder.file("log"))) ?? "")")
            }
        }

        deinit {
            process?.terminate()
            folder.remove()
        }

        var data: String { folder.file("aggregator") }
        var url: String { "https://localhost:\(port)" }

        /// Runs `stagebox` with a home of its own.
        /// - Parameters:
        ///   - typed: what it reads from standard input.
        ///   - terminal: whether that is a terminal (script(1) makes one).
        func stagebox(
            _ arguments: [String], typed: String = "", terminal: Bool = false, home: String = "home"
        ) throws -> (isDone: Bool, text: String) {
            let (output, input) = (folder.file("output"), folder.file("input"))
            unlink(output)
            try Files.write(Array(typed.utf8), to: input)
            let words = ([SmokePrograms.path("stagebox")] + arguments).map { "'\($0)'" }.joined(separator: " ")
            let line =
                terminal
                ? "script --quiet --return --command \"\(words)\" /dev/null < '\(input)'" : "\(words) < '\(input)'"
            let process = try ProcessUnderTest(
                ["/bin/sh", "-c", line], environment: ["XDG_CONFIG_HOME": folder.file(home)], output: output)
            let exit = process.wait(upToSeconds: 60)
            return (exit == .code(0), try Files.text(output))
        }

        func token(_ arguments: [String]) throws -> String {
            let answer = try stagebox(["token", "create", "--data-dir", data] + arguments)
            #expect(answer.isDone, "\(answer.text)")
            return String(answer.text.filter { !$0.isWhitespace })
        }
    }

    @Test("login pins the server's key: as given, as the fleet's CA vouches for, or as somebody says yes to")
    func login() throws {
        let centre = try TLSCentre("login")
        let token = try centre.token(["--role", "operator", "--tenant", "north"])
        let shown = try centre.stagebox(["fingerprint", "--data-dir", centre.data])
        let fingerprint = String(shown.text.prefix { $0 != "\n" })

        // Nobody to ask: refused, and nothing is kept.
        let alone = try centre.stagebox(["login", centre.url], typed: token + "\n")
        #expect(!alone.isDone && alone.text.contains(fingerprint) && alone.text.contains("--key-hash"), "\(alone.text)")
        #expect(try !centre.stagebox(["agents"]).isDone)

        let other = String(fingerprint.reversed())
        let wrong = try centre.stagebox(["login", centre.url, "--key-hash", other], typed: token + "\n")
        #expect(!wrong.isDone, "\(wrong.text)")

        let given = try centre.stagebox(["login", centre.url, "--key-hash", fingerprint], typed: token + "\n")
        #expect(given.isDone, "\(given.text)")
        #expect(try centre.stagebox(["agents"]).isDone)
        var status = stat()
        #expect(stat(centre.folder.file("home/stagebox/session.json"), &status) == 0 && status.st_mode & 0o777 == 0o600)

        let vouched = try centre.stagebox(
            ["login", centre.url, "--ca", "\(centre.data)/tls/ca.pem"], typed: token + "\n", home: "vouched")
        #expect(vouched.isDone, "\(vouched.text)")
        #expect(try centre.stagebox(["agents"], home: "vouched").isDone)
    }

    @Test("at a terminal login shows the fingerprint and asks; only yes goes on, and a wrong token is said to be one")
    func loginAtATerminal() throws {
        let centre = try TLSCentre("login-terminal")
        let token = try centre.token(["--role", "operator", "--tenant", "north"])
        let refused = try centre.stagebox(["login", centre.url], typed: "no\n\(token)\n", terminal: true)
        #expect(!refused.isDone && refused.text.contains("nothing was sent"), "\(refused.text)")
        let accepted = try centre.stagebox(["login", centre.url], typed: "yes\n\(token)\n", terminal: true)
        #expect(accepted.isDone && accepted.text.contains("signed in to \(centre.url)"), "\(accepted.text)")
        #expect(try centre.stagebox(["agents"]).isDone)
        let mistyped = try centre.stagebox(
            ["login", centre.url], typed: "yes\nsbx_0_nonsense\n", terminal: true, home: "mistyped")
        #expect(!mistyped.isDone && mistyped.text.contains("401"), "\(mistyped.text)")
    }

    @Test("a token of the installation makes tenants, and asks for one tenant's data when it names it")
    func installationToken() throws {
        let centre = try TLSCentre("installation")
        let token = try centre.token(["--role", "admin", "--installation"])
        let authority = ["--ca", "\(centre.data)/tls/ca.pem"]
        #expect(try centre.stagebox(["login", centre.url] + authority, typed: token + "\n").isDone)
        let unnamed = try centre.stagebox(["agents"])
        #expect(!unnamed.isDone && unnamed.text.contains("tenant"), "\(unnamed.text)")
        let made = try centre.stagebox(["tenant", "create", "south"])
        #expect(made.isDone, "\(made.text)")
        let named = try centre.stagebox(["login", centre.url, "--tenant", "south"] + authority, typed: token + "\n")
        #expect(named.isDone, "\(named.text)")
        #expect(try centre.stagebox(["agents"]).isDone)
        let missing = try centre.stagebox(["login", centre.url, "--tenant", "west"] + authority, typed: token + "\n")
        #expect(!missing.isDone && missing.text.contains("no such tenant"), "\(missing.text)")
    }

    @Test("systemd hears that the aggregator is ready, and from then on that it lives")
    func watchdog() throws {
        let folder = try TemporaryDirectory("notify")
        defer { folder.remove() }
        let path = folder.file("socket")
        let listener = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        let centre = try TLSCentre("watchdog", environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"])
        defer { withExtendedLifetime(centre) {} }
        var heard: [String] = []
        _ = Waiting.until(withinSeconds: 30) {
            var message = [UInt8](repeating: 0, count: 256)
            let count = recv(listener, &message, message.count, Int32(MSG_DONTWAIT))
            if count > 0 { heard.append(String(decoding: message.prefix(count), as: UTF8.self)) }
            return heard.contains("READY=1") && heard.filter { $0 == "WATCHDOG=1" }.count >= 5
        }
        // Once: the broker, which speaks to systemd too, must not be heard in our name.
        #expect(heard.filter { $0 == "READY=1" }.count == 1 && heard.contains("WATCHDOG=1"), "\(heard)")
    }
}
