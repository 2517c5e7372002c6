import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("trust from the pinned root down")
struct FleetTrustTests {
    private let root = SigningKey()
    private let role = SigningKey()

    private func roleList(_ version: UInt64, by signer: SigningKey? = nil, successor: ID256 = .zero) -> [UInt8] {
        let signer = signer ?? root
        let keys = Dictionary(uniqueKeysWithValues: RoleList.Role.allCases.map { ($0, [role.publicKey.id]) })
        return RoleList(
            version: version, issuedAt: Timestamp(seconds: 1), root: signer.publicKey.id, successorRoot: successor,
            keys: keys
        ).signed(with: signer)
    }
    private func bundle(_ version: UInt64, carrying list: [UInt8], by signer: SigningKey? = nil, revoked: [ID128] = [])
        -> [UInt8]
    {
        let record = KeyBundle(
            version: version, issuedAt: Timestamp(seconds: 1), expiresAt: Timestamp(seconds: 2), recipients: [],
            revoked: revoked, roleList: list)
        return SignedRecord.sign(.keyBundle, record: record, with: signer ?? role)
    }
    private func trust() -> FleetTrust { FleetTrust(rootHash: Hash.blake2b256(root.publicKey.id.bytes)) }

    @Test("versions only grow, and it all outlives a restart")
    func versions() throws {
        var trust = trust()
        let first = try trust.accept(bundle: bundle(2, carrying: roleList(5)))
        let older = try trust.accept(bundle: bundle(1, carrying: roleList(4)))
        let again = try trust.accept(roleList: roleList(5))
        #expect(first && !older && !again)
        #expect(trust.bundle?.version == 2 && trust.roleList?.version == 5)
        let restored = try FleetTrust(decoding: trust.encoded())
        #expect(restored.bundle == trust.bundle && restored.roleList == trust.roleList)
    }

    @Test("neither another root nor a key without the role is believed, and nothing changes")
    func forged() throws {
        var trust = trust()
        try trust.accept(bundle: bundle(2, carrying: roleList(5)))
        let before = trust.encoded()
        for forged in [
            bundle(3, carrying: roleList(9, by: SigningKey()), by: SigningKey()),
            bundle(3, carrying: roleList(5), by: SigningKey()), roleList(9, by: SigningKey()), [1, 2],
        ] {
            #expect(throws: SealingError.self) { _ = try trust.accept(bundle: forged) }
        }
        #expect(trust.encoded() == before)
    }

    @Test("the announced successor may take over, a root that nobody announced may not")
    func succession() throws {
        var trust = trust()
        let successor = SigningKey()
        try trust.accept(roleList: roleList(1))
        #expect(throws: SealingError.notAuthentic) { _ = try trust.accept(roleList: roleList(2, by: successor)) }
        try trust.accept(roleList: roleList(2, successor: successor.publicKey.id))
        let took = try trust.accept(roleList: roleList(3, by: successor))
        #expect(took && trust.rootHash == Hash.blake2b256(successor.publicKey.id.bytes))
        #expect(throws: SealingError.notAuthentic) { _ = try trust.accept(roleList: roleList(4)) }
    }

    @Test("a certificate is checked for whom, when and revocation")
    func certificates() throws {
        var trust = trust()
        try trust.accept(bundle: bundle(1, carrying: roleList(1)))
        let serial = ID128(high: 5, low: 5)
        let certificate = Certificate(
            serial: serial, tenant: SealingFixture.tenant, agent: SealingFixture.agent, identityKey: .zero,
            boxKey: .zero,
            notBefore: Timestamp(seconds: 10), notAfter: Timestamp(seconds: 20))
        let bytes = SignedRecord.sign(
            .certificate, tenant: SealingFixture.tenant, agent: SealingFixture.agent, record: certificate, with: role)
        func opens(_ agent: AgentID, _ seconds: Int64) -> Bool {
            (try? trust.certificate(bytes, tenant: SealingFixture.tenant, agent: agent, at: Timestamp(seconds: seconds)))
                != nil
        }
        #expect(opens(SealingFixture.agent, 10) && opens(SealingFixture.agent, 19))
        #expect(!opens(SealingFixture.agent, 9) && !opens(SealingFixture.agent, 20))
        #expect(!opens(AgentID(unchecked: "other"), 15))
        try trust.accept(bundle: bundle(2, carrying: roleList(1), revoked: [serial]))
        #expect(!opens(SealingFixture.agent, 15))
    }

    @Test("a group's manifest is not taken for an agent's")
    func manifests() throws {
        var trust = trust()
        try trust.accept(roleList: roleList(1))
        func signed(_ scope: Manifest.Scope, agent: AgentID?) -> [UInt8] {
            let manifest = Manifest(
                scope: scope, version: 1, previousHash: .zero, notBefore: Timestamp(seconds: 1),
                expiresAt: Timestamp(seconds: 2),
                body: "")
            return SignedRecord.sign(
                .manifest, tenant: SealingFixture.tenant, agent: agent, record: manifest, with: role)
        }
        let agent = SealingFixture.agent
        let group = Manifest.Scope.group(GroupName(unchecked: "caches"))
        #expect(
            try trust.manifest(signed(.agent(agent), agent: agent), tenant: SealingFixture.tenant, agent: agent).version
                == 1)
        #expect(try trust.manifest(signed(group, agent: nil), tenant: SealingFixture.tenant, agent: nil).version == 1)
        #expect(throws: SealingError.notAuthentic) {
            try trust.manifest(signed(group, agent: agent), tenant: SealingFixture.tenant, agent: agent)
        }
        #expect(throws: SealingError.notAuthentic) {
            try trust.manifest(signed(.agent(agent), agent: nil), tenant: SealingFixture.tenant, agent: nil)
        }
    }
}
