import MQTT
package import Sealing
package import Telemetry
package import WireFormat

/// Turns a one-time token into an identity, as PROTOCOL.md "Keys" says: check the server's key, send the secret,
/// prove the new key, check what comes back against the pinned root.
package enum EnrolmentClient {
    package enum Failure: Error, CustomStringConvertible {
        case badToken(WireError)
        case plainTextRefused(String)
        case exchange(String)
        case refused(status: Int, detail: String)
        case badAnswer(String)
        package var description: String {
            switch self {
            case .badToken(let error):
                "this is not an enrolment token (\(error)): paste it whole, as \"stagebox enrol\" printed it"
            case .plainTextRefused(let host):
                "plain http is for this machine only, not for \(host): use https and a token that names the TLS key"
            case .exchange(let reason): reason
            case .refused(let status, let detail): "the aggregator refused (\(status)): \(detail)"
            case .badAnswer(let reason): "the aggregator's answer cannot be trusted (\(reason)): nothing was kept"
            }
        }
    }

    static let answerBytesMax = 512 * 1024

    /// - Parameters:
    ///   - signingKey, boxKey: kept by the caller until the identity is stored, so that a repeated request names
    ///     the same keys.
    ///   - agent: the name wanted, where the token leaves it open.
    package static func enrol(
        url: String, token text: String, agent: AgentID?, hostName: String, version: String,
        signingKey: SigningKey, boxKey: BoxKeyPair
    ) throws(Failure) -> AgentIdentity {
        let token: EnrolmentToken
        do { token = try EnrolmentToken(text: text) } catch { throw .badToken(error) }
        let request = SignedRecord.sign(
            .enrolmentRequest,
            record: EnrolmentRequest(
                tokenID: token.id, secret: token.secret, identityKey: signingKey.publicKey.id, boxKey: boxKey.publicKey,
                agent: agent, hostName: hostName, agentVersion: version), with: signingKey)
        let answer = try exchange(url, token, request)
        guard (200..<300).contains(answer.status) else {
            throw .refused(status: answer.status, detail: String(answer.text.prefix(500)))
        }
        do {
            return try AgentIdentity(
                EnrolmentResponse(decoding: answer.body), signingKey: signingKey, boxKey: boxKey,
                rootHash: token.rootHash, pseudonymSecret: token.pseudonymSecret)
        } catch {
            throw .badAnswer(String(describing: error))
        }
    }

    private static func exchange(
        _ url: String, _ token: EnrolmentToken, _ request: [UInt8]
    ) throws(Failure) -> HTTPExchange.Answer {
        let address: HTTPExchange.Address
        do { address = try HTTPExchange.Address(url) } catch { throw .exchange(error.description) }
        guard address.isTLS || address.isLoopback else { throw .plainTextRefused(address.host) }
        if address.isTLS, token.tlsKeyHash == nil { throw .badToken(.invalid("TLS key hash")) }
        do {
            let connection = try PinnedConnection(
                host: address.host, port: address.port, keyHash: address.isTLS ? token.tlsKeyHash : nil)
            return try HTTPExchange.send(
                "POST", "/api/v1/enrol", headers: [("Content-Type", "application/octet-stream")], body: request,
                to: address, over: connection, answerBytesMax: answerBytesMax)
        } catch {
            throw .exchange(String(describing: error))
        }
    }
}
