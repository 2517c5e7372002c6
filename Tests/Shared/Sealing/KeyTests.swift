import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("hashes, boxes, key ring, agent keys")
struct KeyTests {
    private let identity = SigningKey()
    private var now: Timestamp { Timestamp(seconds: 100) }

    @Test("BLAKE2b matches the reference vectors")
    func hashes() {
        // RFC 7693's algorithm; values by Python's hashlib.blake2b(b"abc", digest_size=n).
        #expect(
            Hash.blake2b256(Array("abc".utf8)).description
                == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
        #expect(Hash.blake2b128(Array("abc".utf8)).description == "cf4ab791c62b8d2b2109c90275287816")
    }

    @Test("a pseudonym depends on the key and the identifier alone")
    func pseudonyms() throws {
        let key = try PseudonymKey(bytes: [UInt8](0..<32), version: 1)
        // hashlib.blake2b(b"user-1", digest_size=16, key=bytes(range(32)))
        #expect(key.pseudonym(of: "user-1") == key.pseudonym(of: "user-1"))
        #expect(key.pseudonym(of: "user-1") != key.pseudonym(of: "user-2"))
        #expect(key.pseudonym(of: "user-1") != PseudonymKey(randomVersion: 2).pseudonym(of: "user-1"))
        #expect(key.pseudonym(of: "user-1").description == "2bbd2c0bbd82cdc76d05cd31613b7b66")
    }

    @Test("a sealed box opens with its own pair only")
    func boxes() throws {
        let pair = BoxKeyPair()
        let sealed = try SealedBox.seal([1, 2, 3], to: pair.publicKey)
        #expect(try pair.open(sealed) == [1, 2, 3])
        #expect(try BoxKeyPair(secretBytes: pair.secretBytes).open(sealed) == [1, 2, 3])
        #expect(throws: SealingError.notAuthentic) { try BoxKeyPair().open(sealed) }
        #expect(throws: SealingError.notAuthentic) { try pair.open([1, 2]) }
        #expect(throws: SealingError.invalidKey) { try SealedBox.seal([1], to: .zero) }
    }

    @Test("constant-time comparison agrees with ==")
    func comparison() {
        #expect(ConstantTime.equal([1, 2], [1, 2]))
        #expect(!ConstantTime.equal([1, 2], [1, 3]))
        #expect(!ConstantTime.equal([1, 2], [1]))
    }

    @Test("a data key travels in a key batch and is erased with its recipient")
    func keyTravels() throws {
        let pair = BoxKeyPair()
        let bundle = SealingFixture.bundle([(pair, from: 0, until: 200, destroy: 300)])
        var keys = AgentKeys(
            tenant: SealingFixture.tenant, agent: SealingFixture.agent, epoch: ID128(high: 1, low: 1),
            identity: identity,
            bundle: bundle)
        let (current, isNew) = try keys.next(now: now, clock: SealingFixture.clock)
        #expect(isNew && current.flags.isEmpty && current.destroyAfter == Timestamp(seconds: 300))

        let header = try BatchHeader(decodingPrefixOf: current.payload)
        let record = try KeyBatch.open(
            current.payload, header: header, tenant: SealingFixture.tenant, identityKey: identity.publicKey.id)
        let ring = KeyRing()
        #expect(throws: KeyRing.Refusal.destroyed) {
            try ring.open(record, tenant: SealingFixture.tenant, agent: SealingFixture.agent)
        }
        ring.add(pair, destroyAfter: Timestamp(seconds: 300))
        #expect(try ring.open(record, tenant: SealingFixture.tenant, agent: SealingFixture.agent).id == current.key.id)
        #expect(ring.key(tenant: SealingFixture.tenant, agent: SealingFixture.agent, id: current.key.id) != nil)
        #expect(ring.key(tenant: SealingFixture.tenant, agent: AgentID(unchecked: "other"), id: current.key.id) == nil)
        #expect(ring.destroyExpired(now: Timestamp(seconds: 299)) == [])
        #expect(ring.destroyExpired(now: Timestamp(seconds: 300)) == [pair.publicKey.high])
        #expect(ring.key(tenant: SealingFixture.tenant, agent: SealingFixture.agent, id: current.key.id) == nil)
        #expect(ring.counts == (0, 0))
    }

    @Test("a key batch is bound to its header, tenant and identity")
    func keyBatchIsBound() throws {
        let bundle = SealingFixture.bundle([(BoxKeyPair(), from: 0, until: 200, destroy: 300)])
        var keys = AgentKeys(
            tenant: SealingFixture.tenant, agent: SealingFixture.agent, epoch: .zero, identity: identity, bundle: bundle
        )
        let payload = try keys.next(now: now, clock: SealingFixture.clock).current.payload
        for index in payload.indices {
            var changed = payload
            changed[index] ^= 1
            guard let header = try? BatchHeader(decodingPrefixOf: changed) else { continue }
            #expect(throws: SealingError.self) {
                try KeyBatch.open(
                    changed, header: header, tenant: SealingFixture.tenant, identityKey: identity.publicKey.id)
            }
        }
        let header = try BatchHeader(decodingPrefixOf: payload)
        #expect(throws: SealingError.notAuthentic) {
            try KeyBatch.open(
                payload, header: header, tenant: SealingFixture.tenant, identityKey: SigningKey().publicKey.id)
        }
    }

    @Test("a data key serves an hour, is renewed, and is flagged when every recipient is past its use")
    func rotation() throws {
        let first = BoxKeyPair()
        var keys = AgentKeys(
            tenant: SealingFixture.tenant, agent: SealingFixture.agent, epoch: .zero, identity: identity,
            bundle: SealingFixture.bundle([(first, from: 0, until: 5000, destroy: 90_000)]))
        func clock(_ seconds: UInt64) -> ClockReading {
            ClockReading(
                isSynchronized: true, errorBoundMilliseconds: 0, bootID: .zero,
                monotonicNanoseconds: seconds * 1_000_000_000)
        }
        func next(_ seconds: Int64) throws -> (current: AgentKeys.Current, isNew: Bool) {
            try keys.next(now: Timestamp(seconds: seconds), clock: clock(UInt64(seconds)))
        }
        #expect(try next(1).isNew)
        #expect(try !next(3600).isNew)
        #expect(try next(3601).isNew)
        let stale = try next(7300)
        #expect(stale.isNew && stale.current.flags == .staleKey)
        let same = keys.update(SealingFixture.bundle(version: 1, [(first, from: 0, until: 9, destroy: 9)]))
        let newer = keys.update(
            SealingFixture.bundle(version: 2, [(BoxKeyPair(), from: 6000, until: 99_999, destroy: 199_999)]))
        #expect(!same && newer)
        let fresh = try next(7301)
        #expect(fresh.isNew && fresh.current.flags.isEmpty)
    }

    @Test("a bundle without recipients is an error, not a trap")
    func emptyBundle() {
        var keys = AgentKeys(
            tenant: SealingFixture.tenant, agent: SealingFixture.agent, epoch: .zero, identity: identity,
            bundle: SealingFixture.bundle([]))
        #expect(throws: SealingError.invalidKey) { _ = try keys.next(now: now, clock: SealingFixture.clock) }
    }
}
