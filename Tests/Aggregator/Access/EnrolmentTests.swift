import Access
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Enrolment") struct EnrolmentTests {
    let directory: TemporaryDirectory
    let store: AccessStore
    let keys: KeyDirectory
    let agents = AgentDirectory()
    let service: EnrolmentService
    let time = ManualTimeSource()
    let acme = TenantID(unchecked: "acme")
    let changes = Counter()

    final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add() { count.withLock { $0 += 1 } }
    }

    init() throws {
        directory = try TemporaryDirectory("enrol")
        store = try AccessStore(path: directory.file("access.sqlite"), now: time.now)
        keys = try KeyDirectory(path: directory.file("keys"), now: time.now)
        try store.createTenant(acme, now: time.now)
        let changes = changes
        service = EnrolmentService(
            store: store, keys: keys, directory: agents,
            broker: .init(host: "127.0.0.1", port: 8883, isTLS: true, certificateAuthority: "CA"), tlsKeyHash: nil,
            time: time, credentialsChanged: { changes.add() })
    }

    private func offer(_ agent: String? = nil, uses: Int64 = 1, isRelay: Bool = false) -> EnrolmentOffer {
        EnrolmentOffer(
            tenant: acme, agent: agent.map { AgentID(unchecked: $0) }, region: "eu", site: "fra1", job: "edge",
            isRelay: isRelay, expiresAt: time.now.advanced(byMilliseconds: 3_600_000), usesMax: uses)
    }

    private func request(
        _ token: EnrolmentToken, _ identity: SigningKey, _ box: BoxKeyPair, agent: String? = nil,
        signedWith signer: SigningKey? = nil
    ) -> [UInt8] {
        let request = EnrolmentRequest(
            tokenID: token.id, secret: token.secret, identityKey: identity.publicKey.id, boxKey: box.publicKey,
            agent: agent.map { AgentID(unchecked: $0) })
        return SignedRecord.sign(.enrolmentRequest, record: request, with: signer ?? identity)
    }

    private func enrol(_ bytes: [UInt8]) throws -> EnrolmentResponse {
        try EnrolmentResponse(decoding: service.handle(bytes))
    }

    @Test("a token gives a certificate that verifies from the root hash down")
    func roundTrip() throws {
        let token = try EnrolmentToken(text: service.createToken(offer()).text)
        let identity = SigningKey()
        let box = BoxKeyPair()
        let response = try enrol(request(token, identity, box, agent: "node-1"))
        let roles = try RoleList.verified(response.roleList, rootHash: token.rootHash)
        let certificate = try SignedRecord.open(
            response.certificate, as: Certificate.self, .certificate, tenant: acme, agent: response.agent,
            keys: roles[.certificate])
        #expect(certificate.identityKey == identity.publicKey.id && certificate.boxKey == box.publicKey)
        #expect(certificate.region == "eu" && certificate.site == "fra1" && certificate.job == "edge")
        #expect(certificate.isValid(at: time.now))
        let bundle = try SignedRecord.open(
            response.keyBundle, as: KeyBundle.self, .keyBundle, keys: roles[.bundle])
        #expect(bundle.recipients.count == 37)
        #expect(agents.certificate(of: response.agent, tenant: acme)?.certificate == certificate)
        #expect(changes.value == 1)
        let credential = try #require(try store.brokerCredentials().first)
        #expect(credential.userName == "acme/node-1" && credential.passwordHash.hasPrefix("$7$101$"))
    }

    @Test("only a token that says so makes a relay, and it stays one over a renewal")
    func relay() throws {
        for isRelay in [true, false] {
            let token = try EnrolmentToken(text: service.createToken(offer(isRelay: isRelay)).text)
            let agent = try enrol(request(token, SigningKey(), BoxKeyPair())).agent
            #expect(agents.certificate(of: agent, tenant: acme)?.certificate.isRelay == isRelay)
            #expect(try service.renew(agent, of: acme).certificate.isRelay == isRelay)
        }
        #expect(try store.enrolments(of: acme).map(\.offer.isRelay).sorted { !$0 && $1 } == [false, true])
    }

    @Test("the same key may repeat until its first birth, another key may not")
    func repeats() throws {
        let token = try EnrolmentToken(text: service.createToken(offer()).text)
        let identity = SigningKey()
        let box = BoxKeyPair()
        let first = try enrol(request(token, identity, box))
        let second = try enrol(request(token, identity, box))
        #expect(first.certificate == second.certificate && first.password != second.password)
        #expect(throws: AccessError.self) { try enrol(request(token, SigningKey(), BoxKeyPair())) }
        try service.noteBirth(of: first.agent, tenant: acme)
        #expect(throws: AccessError.self) { try enrol(request(token, identity, box)) }
        #expect(try store.enrolments(of: acme).first?.uses == 1)
    }

    @Test("a wrong secret, a foreign signature, an expired or revoked token enrol nobody")
    func refusals() throws {
        let (id, text) = try service.createToken(offer(uses: 5))
        let token = try EnrolmentToken(text: text)
        var wrong = token
        wrong.secret[0] ^= 1
        #expect(throws: AccessError.self) { try enrol(request(wrong, SigningKey(), BoxKeyPair())) }
        #expect(throws: AccessError.self) {
            try enrol(request(token, SigningKey(), BoxKeyPair(), signedWith: SigningKey()))
        }
        let good = request(token, SigningKey(), BoxKeyPair())
        for cut in stride(from: 0, to: good.count, by: 7) {
            #expect(throws: AccessError.self) { try enrol(Array(good.prefix(cut))) }
        }
        try store.revokeEnrolment(id, of: acme, now: time.now)
        #expect(throws: AccessError.self) { try enrol(good) }
        let late = try EnrolmentToken(text: service.createToken(offer()).text)
        time.advance(milliseconds: 3_600_000)
        #expect(throws: AccessError.self) { try enrol(request(late, SigningKey(), BoxKeyPair())) }
        #expect(try store.brokerCredentials().isEmpty && changes.value == 0)
    }

    @Test("a taken name needs a token made for it, which replaces and revokes the old agent")
    func replacement() throws {
        let open = try EnrolmentToken(text: service.createToken(offer(uses: 2)).text)
        let first = try enrol(request(open, SigningKey(), BoxKeyPair(), agent: "edge"))
        #expect(throws: AccessError.self) { try enrol(request(open, SigningKey(), BoxKeyPair(), agent: "edge")) }
        let named = try EnrolmentToken(text: service.createToken(offer("edge")).text)
        let version = keys.bundleVersion
        let identity = SigningKey()
        #expect(try enrol(request(named, identity, BoxKeyPair(), agent: "other")).agent == first.agent)
        #expect(keys.bundleVersion == version + 1 && keys.bundle.revoked.count == 1)
        #expect(agents.certificate(of: first.agent, tenant: acme)?.certificate.identityKey == identity.publicKey.id)
    }

    @Test("a revoked agent loses its certificate and its broker account")
    func revocation() throws {
        let token = try EnrolmentToken(text: service.createToken(offer()).text)
        let agent = try enrol(request(token, SigningKey(), BoxKeyPair())).agent
        #expect(throws: AccessError.self) { try service.revoke(agent, of: TenantID(unchecked: "else")) }
        try service.revoke(agent, of: acme)
        #expect(agents.certificate(of: agent, tenant: acme) == nil)
        #expect(try store.brokerCredentials().isEmpty && keys.bundle.revoked.count == 1)
        #expect(throws: AccessError.self) { try service.renew(agent, of: acme) }
    }

    @Test("a renewed certificate keeps the keys and moves the end")
    func renewal() throws {
        let token = try EnrolmentToken(text: service.createToken(offer()).text)
        let agent = try enrol(request(token, SigningKey(), BoxKeyPair())).agent
        let before = try #require(agents.certificate(of: agent, tenant: acme))
        time.advance(milliseconds: 200 * 86_400_000)
        let after = try service.renew(agent, of: acme)
        #expect(after.certificate.identityKey == before.certificate.identityKey)
        #expect(after.certificate.notAfter > before.certificate.notAfter && after.certificate.isValid(at: time.now))
        let fresh = AgentDirectory()
        try fresh.reload(from: store)
        #expect(fresh.certificate(of: agent, tenant: acme) == after)
    }

    // MARK: Pseudonyms

    private func pseudonymOffer(_ key: PseudonymKey, for pair: BoxKeyPair) throws -> PseudonymOffer {
        PseudonymOffer(
            version: key.version, fingerprint: key.fingerprint,
            sealed: try SealedBox.seal(key.secretBytes, to: pair.publicKey))
    }

    private func offer(_ key: PseudonymKey, for pair: BoxKeyPair) throws -> EnrolmentOffer {
        var offer = offer(uses: 2)
        offer.pseudonymKey = try pseudonymOffer(key, for: pair)
        return offer
    }

    @Test("a tenant's pseudonym key reaches each agent of a token, and nothing here can open it")
    func pseudonymKey() throws {
        let (key, pair) = (PseudonymKey(randomVersion: 1), BoxKeyPair())
        let token = try EnrolmentToken(text: service.createToken(offer(key, for: pair)).text)
        #expect(token.pseudonymSecret == nil, "the tool adds it; the aggregator never has it")
        for name in ["node-1", "node-2"] {
            let response = try enrol(request(token, SigningKey(), BoxKeyPair(), agent: name))
            #expect(response.pseudonymKeyVersion == 1)
            #expect(try pair.open(response.sealedPseudonymKey) == key.secretBytes)
        }
        #expect(try store.pseudonymNote(of: acme)?.fingerprint == key.fingerprint)
        let other = try EnrolmentToken(text: service.createToken(self.offer()).text)
        let response = try enrol(request(other, SigningKey(), BoxKeyPair(), agent: "node-3"))
        #expect(response.pseudonymKeyVersion == 0 && response.sealedPseudonymKey.isEmpty)
    }

    @Test("another key of the same version or an older one is refused, a newer one becomes the tenant's")
    func pseudonymConflicts() throws {
        let (first, second) = (PseudonymKey(randomVersion: 2), PseudonymKey(randomVersion: 2))
        let pair = BoxKeyPair()
        _ = try service.createToken(offer(first, for: pair))
        _ = try service.createToken(offer(first, for: pair))
        for wrong in [second, PseudonymKey(randomVersion: 1)] {
            let refusal = #expect(throws: AccessError.self) { try service.createToken(offer(wrong, for: pair)) }
            #expect(refusal?.code == .exists)
        }
        #expect(try store.pseudonymNote(of: acme)?.fingerprint == first.fingerprint)
        let third = PseudonymKey(randomVersion: 3)
        _ = try service.createToken(offer(third, for: pair))
        #expect(try store.pseudonymNote(of: acme)?.version == 3)
        #expect(throws: AccessError.self) { try service.createToken(offer(PseudonymKey(randomVersion: 0), for: pair)) }
    }
}
