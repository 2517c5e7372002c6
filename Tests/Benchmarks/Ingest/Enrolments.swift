import AgentCore
import Foundation
import MQTT
import Sealing
import Telemetry
import WireFormat

/// Enrols the agents through the real path and keeps their identities beside `access.json`, for the next run.
struct Enrolments {
    struct Access: Decodable {
        struct Tokens: Decodable { var admin: String }
        var url: String
        var tokens: Tokens
    }
    struct Failure: Error, CustomStringConvertible { var description: String }

    let access: Access
    private let path: String

    init(accessFile: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: accessFile))
        access = try JSONDecoder().decode(Access.self, from: data)
        path = accessFile + ".bench-identities"
    }

    func identities(_ count: Int) throws -> [AgentIdentity] {
        var known = try read()
        if known.count < count {
            let token = try token(uses: count - known.count)
            while known.count < count { known.append(try enrol("bench-\(known.count)", token)) }
            let lines = known.map { Data($0.encoded()).base64EncodedString() }.joined(separator: "\n")
            guard
                FileManager.default.createFile(
                    atPath: path, contents: Data(lines.utf8), attributes: [.posixPermissions: 0o600])
            else { throw Failure(description: "cannot write \(path)") }
        }
        return Array(known.prefix(count))
    }

    private func read() throws -> [AgentIdentity] {
        guard let data = FileManager.default.contents(atPath: path) else { return [] }
        return try String(decoding: data, as: UTF8.self).split(separator: "\n").map {
            try AgentIdentity(decoding: [UInt8](Data(base64Encoded: String($0)) ?? Data()))
        }
    }

    private func token(uses: Int) throws -> String {
        struct Made: Decodable { var token: String }
        let address = try HTTPExchange.Address(access.url)
        let answer = try HTTPExchange.send(
            "POST", "/api/v1/admin/enrolments",
            headers: [
                ("Authorization", "Bearer \(access.tokens.admin)"), ("Content-Type", "application/json"),
            ], body: Array("{\"uses\":\(uses)}".utf8), to: address,
            over: PinnedConnection(host: address.host, port: address.port, keyHash: nil), answerBytesMax: 1 << 16)
        guard (200..<300).contains(answer.status) else {
            throw Failure(description: "no enrolment token (\(answer.status)): \(answer.text)")
        }
        return try JSONDecoder().decode(Made.self, from: Data(answer.body)).token
    }

    /// Waits out the aggregator's limit on enrolments.
    private func enrol(_ name: String, _ token: String) throws -> AgentIdentity {
        let (signing, box) = (SigningKey(), BoxKeyPair())
        for _ in 0..<60 {
            let attempt = Result { () throws(EnrolmentClient.Failure) in
                try EnrolmentClient.enrol(
                    url: access.url, token: token, agent: AgentID(rawValue: name), hostName: name, version: "bench",
                    signingKey: signing, boxKey: box)
            }
            switch attempt {
            case .success(let identity): return identity
            case .failure(.refused(429, _)): usleep(300_000)
            case .failure(let failure): throw failure
            }
        }
        throw Failure(description: "\(name) was refused for too long")
    }
}
