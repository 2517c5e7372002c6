import AgentCore
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import WireFormat

/// The keys of a fleet, made from one seed: what an administrator and an enrolment service would have made.
final class SimulatedFleet {
    static let tenant = TenantID(unchecked: "acme")
    static let epochStart = Timestamp(seconds: 1_767_225_600)

    let rootHash: ID256
    let acknowledgementKey: SigningKey
    let recipient: BoxKeyPair
    let certificates = CertificateTable()
    let bundle: [UInt8]
    private let roleList: [UInt8]
    private let certificateKey: SigningKey
    private var generator: SeededGenerator

    init(seed: UInt64) throws {
        generator = SeededGenerator(seed: seed)
        let root = try SigningKey(seed: generator.bytes(32))
        certificateKey = try SigningKey(seed: generator.bytes(32))
        let bundleKey = try SigningKey(seed: generator.bytes(32))
        acknowledgementKey = try SigningKey(seed: generator.bytes(32))
        recipient = try BoxKeyPair(secretBytes: generator.bytes(32))
        rootHash = Hash.blake2b256(root.publicKey.id.bytes)
        let past = Timestamp(milliseconds: 0)
        let future = Timestamp(seconds: 4_000_000_000)
        roleList = RoleList(
            version: 1, issuedAt: past, root: root.publicKey.id,
            keys: [
                .certificate: [certificateKey.publicKey.id], .bundle: [bundleKey.publicKey.id],
                .acknowledgement: [acknowledgementKey.publicKey.id],
            ]
        ).signed(with: root)
        bundle = SignedRecord.sign(
            .keyBundle,
            record: KeyBundle(
                version: 1, issuedAt: past, expiresAt: future,
                recipients: [
                    KeyBundle.Recipient(
                        publicKey: recipient.publicKey, useFrom: past, useUntil: future, destroyAfter: future)
                ], roleList: roleList), with: bundleKey)
    }

    func enrol(_ agent: AgentID, isRelay: Bool = false) throws -> AgentIdentity {
        let identity = try SigningKey(seed: generator.bytes(32))
        let box = try BoxKeyPair(secretBytes: generator.bytes(32))
        let certificate = Certificate(
            serial: ID128(random: &generator), tenant: Self.tenant, agent: agent, identityKey: identity.publicKey.id,
            boxKey: box.publicKey, notBefore: Self.epochStart.advanced(byMilliseconds: -86_400_000),
            notAfter: Timestamp(seconds: 4_000_000_000), isRelay: isRelay)
        certificates.add(certificate)
        let signed = SignedRecord.sign(
            .certificate, tenant: Self.tenant, agent: agent, record: certificate, with: certificateKey)
        return try AgentIdentity(
            EnrolmentResponse(
                tenant: Self.tenant, agent: agent, certificate: signed, roleList: roleList, keyBundle: bundle,
                brokerHost: "127.0.0.1", brokerPort: 1883, isBrokerTLS: true,
                certificateAuthority: "of the fake broker",
                password: "password of \(agent)"), signingKey: identity, boxKey: box, rootHash: rootHash)
    }
}

extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}
