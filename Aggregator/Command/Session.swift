import ArgumentParser
import Foundation
import MQTT
import Telemetry

/// Which aggregator to talk to and as whom; kept by `stagebox login` in a 0600 file.
struct Session: Codable {
    var url: String
    var token: String
    /// SHA-256 of the server's public key, hexadecimal; needed for https.
    var keyHash: String?
    /// Whose data an installation's token asks for; nil: the token's own tenant.
    var tenant: String?

    static var path: String {
        let home =
            ProcessInfo.processInfo.environment["XDG_CONFIG_HOME"]
            ?? (ProcessInfo.processInfo.environment["HOME"] ?? "/root") + "/.config"
        return home + "/stagebox/session.json"
    }

    static func load() throws -> Session {
        let environment = ProcessInfo.processInfo.environment
        if let url = environment["STAGEBOX_URL"], let token = environment["STAGEBOX_TOKEN"] {
            return Session(
                url: url, token: token, keyHash: environment["STAGEBOX_KEY_HASH"],
                tenant: environment["STAGEBOX_TENANT"])
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("not signed in: run \"stagebox login URL\", or set STAGEBOX_URL and STAGEBOX_TOKEN")
        }
        return try JSONDecoder().decode(Session.self, from: data)
    }

    func save() throws {
        let folder = (Self.path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let created = FileManager.default.createFile(
            atPath: Self.path, contents: try JSONEncoder().encode(self), attributes: [.posixPermissions: 0o600])
        guard created else { throw CommandFailure("cannot write \(Self.path)") }
    }

    /// - Throws: `AggregatorRefusal` for any status outside 200…299, with the server's explanation.
    func send(
        _ method: String, _ path: String, json: [String: Any]? = nil, body raw: [UInt8] = [], type: String? = nil
    ) throws -> HTTPExchange.Answer {
        let address = try HTTPExchange.Address(url)
        var hash: ID256?
        if address.isTLS {
            hash = keyHash.flatMap { ID256(hexadecimal: $0) }
            guard hash != nil else {
                throw CommandFailure("https needs the server's key hash: run \"stagebox login \(url)\"")
            }
        } else if !address.isLoopback {
            throw CommandFailure("plain http is for this machine only, not for \(address.host): use https")
        }
        var headers = [("Authorization", "Bearer \(token)")]
        var body = raw
        if let json {
            body = Array(try JSONSerialization.data(withJSONObject: json))
            headers.append(("Content-Type", "application/json"))
        } else if let type {
            headers.append(("Content-Type", type))
        }
        var path = path
        // Routes of the installation itself take no tenant.
        if let tenant, !path.hasPrefix("/api/v1/admin/tenants") {
            path += (path.contains("?") ? "&" : "?") + "tenant=\(try TenantID(validating: tenant))"
        }
        let connection = try PinnedConnection(host: address.host, port: address.port, keyHash: hash)
        let answer = try HTTPExchange.send(method, path, headers: headers, body: body, to: address, over: connection)
        guard (200..<300).contains(answer.status) else { throw AggregatorRefusal(answer) }
        return answer
    }

    /// Parameters as a form; gives the answer's body.
    func send(_ method: String, _ path: String, form: [(String, String)]) throws -> [UInt8] {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        let text = form.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")" }
            .joined(separator: "&")
        return try send(method, path, body: Array(text.utf8), type: "application/x-www-form-urlencoded").body
    }

    func json(_ method: String, _ path: String, json: [String: Any]? = nil) throws -> [String: Any] {
        let answer = try send(method, path, json: json)
        guard let object = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any] else {
            throw CommandFailure("the aggregator's answer to \(path) is not a JSON object")
        }
        return object
    }
}

/// Which tenant a command is about, for tokens that span the installation.
struct TenantOption: ParsableArguments {
    @Option(help: "The tenant, for a token of the installation's administrator; others have just one.")
    var tenant: String?

    func session() throws -> Session {
        var session = try Session.load()
        if let tenant { session.tenant = try TenantID(validating: tenant).rawValue }
        return session
    }
}

/// The aggregator said no.
struct AggregatorRefusal: Error, CustomStringConvertible {
    let status: Int
    let detail: String

    init(_ answer: HTTPExchange.Answer) {
        status = answer.status
        let problem = (try? JSONSerialization.jsonObject(with: Data(answer.body))) as? [String: Any]
        detail = problem?["detail"] as? String ?? problem?["error"] as? String ?? String(answer.text.prefix(300))
    }
    var description: String { "the aggregator answered \(status): \(detail)" }
}
