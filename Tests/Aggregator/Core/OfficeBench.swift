import Access
import AggregatorCore
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import TestSupport
import WireFormat

/// An installation's access, keys and offices over a broker that only remembers.
final class OfficeBench: Sendable {
    static let acme = TenantID(unchecked: "acme")

    /// An enrolled agent's private halves.
    struct Node {
        let agent: AgentID
        let signing: SigningKey
        let box: BoxKeyPair
    }

    let directory: TemporaryDirectory
    let time = ManualTimeSource()
    let access: AccessStore
    let keys: KeyDirectory
    let agents = AgentDirectory()
    let files: ManifestFiles
    /// What happened, in order: `groups edge-1 a,b` or `retained TOPIC`.
    let events = Mutex<[String]>([])
    let retained = Mutex<[String: [UInt8]]>([:])
    let desired = Mutex<[String: UInt64]>([:])
    let commands = Mutex<[(topic: String, payload: [UInt8])]>([])

    init() throws {
        directory = try TemporaryDirectory("offices")
        access = try AccessStore(path: directory.file("access.sqlite"), now: time.now)
        keys = try KeyDirectory(path: directory.file("keys"), now: time.now)
        files = ManifestFiles(dataDirectory: directory.file("."))
        try access.createTenant(Self.acme, now: time.now)
    }

    func manifests() -> ManifestOffice {
        ManifestOffice(
            files: files, keys: keys, directory: agents, tenants: [Self.acme], time: time,
            hooks: ManifestOffice.Hooks(
                publishRetained: { [self] topic, payload in
                    events.withLock { $0.append("retained \(topic)") }
                    retained.withLock { $0[topic] = payload }
                },
                desire: { [self] version, agent, _ in desired.withLock { $0[agent.rawValue] = version } },
                setGroups: { [self] groups, agent, tenant in
                    try access.setGroups(groups, of: agent, tenant: tenant)
                    let names = groups.map(\.rawValue).joined(separator: ",")
                    events.withLock { $0.append("groups \(agent) \(names)") }
                }, report: { _ in }))
    }

    func enrolment(joined: @escaping @Sendable ([GroupName], AgentID, TenantID) throws -> Void = { _, _, _ in })
        -> EnrolmentService
    {
        EnrolmentService(
            store: access, keys: keys, directory: agents,
            broker: .init(host: "127.0.0.1", port: 1883, isTLS: false, certificateAuthority: ""), tlsKeyHash: nil,
            time: time, credentialsChanged: {}, joined: joined)
    }

    func commandOffice(_ enrolment: EnrolmentService) -> CommandOffice {
        CommandOffice(
            access: access, enrolment: enrolment, keys: keys, directory: agents, time: time,
            publish: { [self] topic, payload in
                commands.withLock { $0.append((topic, payload)) }
                return true
            }, report: { _ in })
    }

    func enrol(_ name: String, groups: [String] = [], by service: EnrolmentService) throws -> Node {
        let agent = AgentID(unchecked: name)
        let offer = EnrolmentOffer(
            tenant: Self.acme, agent: agent, groups: groups.map { GroupName(unchecked: $0) },
            expiresAt: time.now.advanced(byMilliseconds: 60_000))
        let token = try EnrolmentToken(text: service.createToken(offer).text)
        let node = Node(agent: agent, signing: SigningKey(), box: BoxKeyPair())
        let request = EnrolmentRequest(
            tokenID: token.id, secret: token.secret, identityKey: node.signing.publicKey.id,
            boxKey: node.box.publicKey)
        _ = try service.handle(SignedRecord.sign(.enrolmentRequest, record: request, with: node.signing))
        return node
    }

    /// - Parameter key: nil: the manifest key.
    func manifest(
        _ body: String, version: UInt64, for scope: Manifest.Scope, previous: [UInt8]? = nil, key: SigningKey? = nil
    ) -> [UInt8] {
        let manifest = Manifest(
            scope: scope, version: version, previousHash: previous.map { Hash.blake2b256($0) } ?? .zero,
            notBefore: time.now, expiresAt: time.now.advanced(byMilliseconds: 86_400_000), body: body)
        let agent: AgentID? = if case .agent(let agent) = scope { agent } else { nil }
        return SignedRecord.sign(
            .manifest, tenant: Self.acme, agent: agent, record: manifest, with: key ?? keys.signer(.manifest))
    }

    func takeEvents() -> [String] {
        events.withLock { events in
            defer { events.removeAll() }
            return events
        }
    }
}
