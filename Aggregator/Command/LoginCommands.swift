import Access
import ArgumentParser
import Foundation
import MQTT
import Telemetry

struct Login: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remember an aggregator and a bearer token (read from standard input) in a 0600 file.",
        discussion: "Over https the server's key is pinned. Without --key-hash or --ca its hash is shown and you are "
            + "asked; \"stagebox fingerprint\" prints the right one on the aggregator's machine.")

    @Argument(help: "The aggregator's address, as in https://music.example:8480.")
    var url: String

    @Option(help: "SHA-256 of the server's public key, as \"stagebox fingerprint\" prints it.")
    var keyHash: String?

    @Option(help: "The fleet's CA (tls/ca.pem in the aggregator's data directory): vouches for the server's key.")
    var ca: String?

    @Option(help: "Whose data to ask for, with a token that spans the installation.")
    var tenant: String?

    func run() throws {
        let address = try HTTPExchange.Address(url)
        let hash = address.isTLS ? try trustedKey(address) : nil
        guard let token = readToken()?.trimmingCharacters(in: .whitespaces), !token.isEmpty else {
            throw CommandFailure("no token: paste it, or pipe it in")
        }
        let session = Session(
            url: url, token: token, keyHash: hash?.description,
            tenant: try tenant.map { try TenantID(validating: $0).rawValue })
        if session.tenant == nil {
            try session.checkToken()
        } else {
            _ = try session.send("GET", "/api/v1/agents")
        }
        try session.save()
        print("signed in to \(url); kept in \(Session.path)")
    }

    /// A line of standard input; a terminal does not show it.
    private func readToken() -> String? {
        var settings = termios()
        guard isatty(0) == 1, tcgetattr(0, &settings) == 0 else { return readLine() }
        print("token: ", terminator: "")
        fflush(nil)
        var silent = settings
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(0, TCSANOW, &silent)
        defer {
            tcsetattr(0, TCSANOW, &settings)
            print()
        }
        return readLine()
    }

    /// The key to pin: as given, as vouched for, or as somebody says that it is right.
    private func trustedKey(_ address: HTTPExchange.Address) throws -> ID256 {
        if let keyHash {
            guard let hash = Fingerprint.parse(keyHash) else {
                throw ValidationError("--key-hash: 64 hexadecimal digits, as \"stagebox fingerprint\" prints them")
            }
            return hash
        }
        let trust = ca.map { PinnedConnection.Trust.authority(path: $0) } ?? .unverified
        let connection = try PinnedConnection(host: address.host, port: address.port, trust: trust)
        guard let found = connection.serverKeyHash else { throw CommandFailure("\(address.host) showed no key") }
        guard ca == nil else { return found }
        print("The key of \(address.host):\(address.port) has the SHA-256 fingerprint\n  \(Fingerprint.show(found))")
        guard isatty(0) == 1 else {
            throw CommandFailure("nobody can be asked whether it is right: give --key-hash or --ca")
        }
        print("Does \"stagebox fingerprint\" print the same on the aggregator's machine? [yes/no] ", terminator: "")
        guard readLine()?.trimmingCharacters(in: .whitespaces).lowercased() == "yes" else {
            throw CommandFailure("not signed in; nothing was sent")
        }
        return found
    }
}

extension Session {
    /// A token of the installation is right although it names no tenant.
    func checkToken() throws {
        do { _ = try send("GET", "/api/v1/agents") } catch let failure as AggregatorRefusal where failure.status == 400
        {
            _ = try send("GET", "/api/v1/admin/tenants")
        }
    }
}

/// Hashes of keys as people compare them.
enum Fingerprint {
    /// Groups of eight digits.
    static func show(_ hash: ID256) -> String {
        let digits = Array(hash.description)
        return stride(from: 0, to: digits.count, by: 8)
            .map { String(digits[$0..<min($0 + 8, digits.count)]) }.joined(separator: " ")
    }

    static func parse(_ text: String) -> ID256? {
        ID256(hexadecimal: text.filter { $0 != " " && $0 != ":" }.lowercased())
    }
}

struct ShowFingerprint: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fingerprint", abstract: "Print the fingerprint of this machine's aggregator, to compare at login."
    )
    @Option(help: "The aggregator's data directory.")
    var dataDir: String

    func run() throws { print(Fingerprint.show(try BrokerCertificates(reading: "\(dataDir)/tls").serverKeyHash())) }
}
