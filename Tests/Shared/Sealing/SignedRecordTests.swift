import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("signed records")
struct SignedRecordTests {
    private let key = SigningKey()
    private let state = ConnectionState(isOnline: true, sessionCounter: 7)

    @Test("a record verifies only as what it was signed")
    func contexts() throws {
        let bytes = SignedRecord.sign(
            .birth, tenant: SealingFixture.tenant, agent: SealingFixture.agent, associated: [1], record: state,
            with: key)
        let keys = [SigningKey().publicKey.id, key.publicKey.id]
        #expect(
            try SignedRecord.open(
                bytes, as: ConnectionState.self, .birth, tenant: SealingFixture.tenant, agent: SealingFixture.agent,
                associated: [1], keys: keys) == state)
        let other = SigningKey().publicKey.id
        func isRefused(
            _ kind: RecordKind = .birth, tenant: TenantID? = SealingFixture.tenant,
            agent: AgentID? = SealingFixture.agent, associated: [UInt8] = [1], by keys: [ID256]
        ) -> Bool {
            (try? SignedRecord.verify(
                bytes, kind, tenant: tenant, agent: agent, associated: associated, keys: keys)) == nil
        }
        #expect(!isRefused(by: keys))
        #expect(isRefused(.result, by: keys))
        #expect(isRefused(tenant: TenantID(unchecked: "b"), by: keys))
        #expect(isRefused(tenant: nil, by: keys))
        #expect(isRefused(agent: AgentID(unchecked: "b"), by: keys))
        #expect(isRefused(associated: [], by: keys))
        #expect(isRefused(by: [other]))
    }

    @Test("tenant and agent cannot trade letters")
    func boundaries() {
        let bytes = SignedRecord.sign(
            .birth, tenant: TenantID(unchecked: "ab"), agent: AgentID(unchecked: "c"), record: state, with: key)
        #expect(throws: SealingError.notAuthentic) {
            try SignedRecord.verify(
                bytes, .birth, tenant: TenantID(unchecked: "a"), agent: AgentID(unchecked: "bc"),
                keys: [key.publicKey.id])
        }
    }

    @Test("any changed, missing or added byte is refused")
    func everyByteCounts() {
        let bytes = SignedRecord.sign(.acknowledgement, record: state, with: key)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x40
            #expect(throws: SealingError.self) {
                try SignedRecord.verify(changed, .acknowledgement, keys: [key.publicKey.id])
            }
            #expect(throws: SealingError.self) {
                try SignedRecord.verify(Array(bytes.prefix(index)), .acknowledgement, keys: [key.publicKey.id])
            }
        }
        #expect(throws: SealingError.self) {
            try SignedRecord.verify(bytes + [0], .acknowledgement, keys: [key.publicKey.id])
        }
    }

    @Test("a role list verifies against the pinned root's hash only")
    func roleList() throws {
        let root = SigningKey()
        let list = RoleList(
            version: 3, issuedAt: Timestamp(seconds: 1), root: root.publicKey.id,
            keys: [.certificate: [key.publicKey.id], .acknowledgement: [key.publicKey.id]])
        let bytes = list.signed(with: root)
        #expect(try RoleList.verified(bytes, rootHash: Hash.blake2b256(root.publicKey.id.bytes)) == list)
        #expect(throws: SealingError.notAuthentic) {
            try RoleList.verified(bytes, rootHash: Hash.blake2b256(key.publicKey.id.bytes))
        }
        // The key that it names signs it, but is not the one that it names as root.
        #expect(throws: SealingError.notAuthentic) {
            try RoleList.verified(list.signed(with: key), rootHash: Hash.blake2b256(root.publicKey.id.bytes))
        }
    }

    @Test("a seed gives the same key again")
    func seeds() throws {
        #expect(try SigningKey(seed: key.seed).publicKey == key.publicKey)
        #expect(throws: SealingError.invalidKey) { try SigningKey(seed: [1, 2]) }
    }
}
