import AgentCore
import RuntimeSupport
import Sealing
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("The pseudonym key of an identity")
struct PseudonymKeyTests {
    private let tenant = TenantID(unchecked: "acme")
    private let agent = AgentID(unchecked: "edge-1")
    private let root = SigningKey()
    private let role = SigningKey()
    private let signing = SigningKey()
    private let box = BoxKeyPair()

    private func response(version: UInt32 = 0, sealed: [UInt8] = []) throws -> EnrolmentResponse {
        let (past, future) = (Timestamp(milliseconds: 0), Timestamp(seconds: 4_000_000_000))
        let keys = [role.publicKey.id]
        let roleList = RoleList(
            version: 1, issuedAt: past, root: root.publicKey.id,
            keys: [.certificate: keys, .bundle: keys, .manifest: keys, .command: keys, .acknowledgement: keys]
        ).signed(with: root)
        let recipient = KeyBundle.Recipient(
            publicKey: BoxKeyPair().publicKey, useFrom: past, useUntil: future, destroyAfter: future)
        let bundle = KeyBundle(
            version: 1, issuedAt: past, expiresAt: future, recipients: [recipient], roleList: roleList)
        let certificate = Certificate(
            serial: .zero, tenant: tenant, agent: agent, identityKey: signing.publicKey.id, boxKey: box.publicKey,
            notBefore: past, notAfter: future)
        return EnrolmentResponse(
            tenant: tenant, agent: agent,
            certificate: SignedRecord.sign(
                .certificate, tenant: tenant, agent: agent, record: certificate, with: role),
            roleList: roleList, keyBundle: SignedRecord.sign(.keyBundle, record: bundle, with: role),
            brokerHost: "127.0.0.1", brokerPort: 1883, isBrokerTLS: false, certificateAuthority: "", password: "p",
            pseudonymKeyVersion: version, sealedPseudonymKey: sealed)
    }

    private func identity(_ response: EnrolmentResponse, secret: [UInt8]?) throws -> AgentIdentity {
        try AgentIdentity(
            response, signingKey: signing, boxKey: box, rootHash: Hash.blake2b256(root.publicKey.id.bytes),
            pseudonymSecret: secret)
    }

    @Test("two agents of a tenant get the key that the token opens, and it survives being stored")
    func tenantKey() throws {
        let (key, pair) = (PseudonymKey(randomVersion: 3), BoxKeyPair())
        let answer = try response(version: 3, sealed: SealedBox.seal(key.secretBytes, to: pair.publicKey))
        for _ in 0..<2 {
            let made = try identity(answer, secret: pair.secretBytes)
            var kept = try AgentIdentity(decoding: made.encoded())
            let isFilled = kept.fillInPseudonymKey()
            #expect(!isFilled)
            let held = try PseudonymKey(bytes: kept.pseudonymKey, version: kept.pseudonymKeyVersion)
            #expect(held.version == 3 && held.pseudonym(of: "olav") == key.pseudonym(of: "olav"))
        }
    }

    @Test("a key that the token does not open, or that is missing although the token brings its secret, is refused")
    func refused() throws {
        let (key, pair) = (PseudonymKey(randomVersion: 1), BoxKeyPair())
        let sealed = try SealedBox.seal(key.secretBytes, to: pair.publicKey)
        #expect(throws: SealingError.self) {
            try identity(response(version: 1, sealed: sealed), secret: BoxKeyPair().secretBytes)
        }
        #expect(throws: SealingError.self) { try identity(response(), secret: pair.secretBytes) }
        let short = try SealedBox.seal([1, 2, 3], to: pair.publicKey)
        #expect(throws: SealingError.self) {
            try identity(response(version: 1, sealed: short), secret: pair.secretBytes)
        }
    }

    @Test("without one the node makes its own once and keeps it")
    func ownKey() throws {
        let made = try identity(response(), secret: nil)
        #expect(made.pseudonymKeyVersion == AgentIdentity.ownPseudonyms && made.pseudonymKey.count == 32)
        var kept = try AgentIdentity(decoding: made.encoded())
        let isFilled = kept.fillInPseudonymKey()
        #expect(!isFilled && kept.pseudonymKey == made.pseudonymKey)
        kept.pseudonymKey = []
        let isFilledNow = kept.fillInPseudonymKey()
        #expect(isFilledNow && kept.pseudonymKey.count == 32)
        #expect(try PseudonymKey(bytes: kept.pseudonymKey, version: 0).version == 0)
    }
}
