package import RuntimeSupport
import SQLite
import Sealing
package import Telemetry
import WireFormat

/// Turns enrolment tokens into certificates and broker credentials.
///
/// Thread-safe: the store's transaction decides, the directory follows.
package final class EnrolmentService: Sendable {
    /// What agents are told of the broker.
    package struct Broker: Hashable, Sendable {
        /// nil: the name or address that the agent reached the aggregator by.
        package var host: String?
        package var port: UInt16
        package var isTLS: Bool
        /// PEM; empty without TLS.
        package var certificateAuthority: String
        /// What the broker's certificate is for; empty: not checked.
        package var certifiedHosts: [String]
        package init(
            host: String?, port: UInt16, isTLS: Bool, certificateAuthority: String, certifiedHosts: [String] = []
        ) {
            self.certifiedHosts = certifiedHosts
            self.host = host
            self.port = port
            self.isTLS = isTLS
            self.certificateAuthority = certificateAuthority
        }
    }

    private let store: AccessStore
    private let keys: KeyDirectory
    private let directory: AgentDirectory
    private let broker: Broker
    private let tlsKeyHash: ID256?
    private let time: any TimeSource
    private let credentialsChanged: @Sendable () throws -> Void
    private let joined: @Sendable ([GroupName], AgentID, TenantID) throws -> Void

    /// - Parameters:
    ///   - tlsKeyHash: SHA-256 of the HTTP server's SubjectPublicKeyInfo; nil on loopback without TLS.
    ///   - credentialsChanged: rewrites the broker's files and has it read them, before the agent gets its answer.
    ///   - joined: puts a new agent into groups.
    package init(
        store: AccessStore, keys: KeyDirectory, directory: AgentDirectory, broker: Broker, tlsKeyHash: ID256?,
        time: any TimeSource, credentialsChanged: @escaping @Sendable () throws -> Void,
        joined: @escaping @Sendable ([GroupName], AgentID, TenantID) throws -> Void = { _, _, _ in }
    ) {
        self.store = store
        self.keys = keys
        self.directory = directory
        self.broker = broker
        self.tlsKeyHash = tlsKeyHash
        self.time = time
        self.credentialsChanged = credentialsChanged
        self.joined = joined
    }

    /// What a tool has to know before it asks for a token: whose it will be, what the agent will pin, and which
    /// pseudonym key the tenant's agents have.
    package func prospect(of tenant: TenantID) throws -> (root: ID256, pseudonyms: PseudonymNote?) {
        (keys.rootHash, try store.pseudonymNote(of: tenant))
    }

    /// Makes a token for people to paste. The text is the only copy of its secret.
    package func createToken(_ offer: EnrolmentOffer) throws -> (id: ID128, text: String) {
        let (id, secret) = try store.createEnrolment(offer, now: time.now)
        let token = EnrolmentToken(
            id: id, secret: secret, rootHash: keys.rootHash, tlsKeyHash: tlsKeyHash,
            brokerHost: broker.host ?? "", brokerPort: broker.port)
        return (id, token.text)
    }

    /// Answers a request: a signed ``EnrolmentRequest`` made with the key it names.
    /// - Parameter host: the name or address that the agent reached this machine by, as it says.
    /// - Returns: an encoded ``EnrolmentResponse``.
    /// - Throws: ``AccessError``; `refused` does not say which part of the credential was wrong.
    package func handle(_ bytes: [UInt8], reachedAs host: String? = nil) throws -> [UInt8] {
        let request = try Self.verify(bytes)
        let brokerHost = try self.brokerHost(reachedAs: host)
        let now = time.now
        let password = Base64URL.encode(RandomBytes.make(32))
        let hash = try PasswordHash.make(password)
        let outcome = try store.write { database in
            let enrolment = try AccessStore.enrolment(request.tokenID, database)
            let expected = enrolment?.secretHash ?? [UInt8](repeating: 0, count: 32)
            let isRight = ConstantTime.equal(Hash.blake2b256(request.secret).bytes, expected)
            guard let enrolment, isRight, enrolment.revokedAt == nil, enrolment.offer.expiresAt > now else {
                throw AccessError(.refused, "the enrolment token is unknown, expired or revoked; ask for a new one")
            }
            let tenant = enrolment.offer.tenant
            let known = try AccessStore.active(identityKey: request.identityKey, enrolment: enrolment.id, database)
            if let known, known.certificate.boxKey == request.boxKey {
                guard known.bornAt == nil else {
                    throw AccessError(
                        .refused, "this key has enrolled and reported already; it needs no second enrolment")
                }
                try AccessStore.setPassword(hash, of: known.certificate.agent, tenant, database)
                return (issued: known, replaced: [ID128](), enrolment: enrolment)
            }
            let first = try self.issueFirst(request, enrolment, passwordHash: hash, database, now: now)
            return (issued: first.issued, replaced: first.replaced, enrolment: enrolment)
        }
        if !outcome.replaced.isEmpty {
            try keys.revoke(outcome.replaced)
            try keys.rotate(now: now)
        }
        directory.set(outcome.issued)
        try credentialsChanged()
        let certificate = outcome.issued.certificate
        let groups = outcome.enrolment.offer.groups
        if !groups.isEmpty { try joined(groups, certificate.agent, certificate.tenant) }
        return EnrolmentResponse(
            tenant: certificate.tenant, agent: certificate.agent, certificate: outcome.issued.record,
            roleList: keys.signedRoleList, keyBundle: keys.signedBundle, brokerHost: brokerHost,
            brokerPort: broker.port, isBrokerTLS: broker.isTLS, certificateAuthority: broker.certificateAuthority,
            password: password, pseudonymKeyVersion: outcome.enrolment.pseudonymKey?.version ?? 0,
            sealedPseudonymKey: outcome.enrolment.pseudonymKey?.sealed ?? []
        ).encoded()
    }

    /// Said before a token is spent: an agent that cannot reach the broker, or would not trust it, is no gain.
    private func brokerHost(reachedAs reached: String?) throws -> String {
        guard let host = broker.host ?? reached, !host.isEmpty else {
            throw AccessError(.invalid, "the request names no host, and no --broker-address is set here")
        }
        guard broker.certifiedHosts.isEmpty || broker.certifiedHosts.contains(host) else {
            throw AccessError(
                .invalid,
                "the broker's certificate is not for \(host.prefix(255)): enrol by one of "
                    + "\(broker.certifiedHosts.joined(separator: ", ")), or have the aggregator started with "
                    + "--public-host \(host.prefix(255))")
        }
        return host
    }

    /// A new certificate when the agent's own ends within ``AccessLimits/renewalMilliseconds`` or has ended. The
    /// caller has verified a message signed with the identity key.
    /// - Returns: nil when it is not due.
    package func renewIfDue(_ agent: AgentID, of tenant: TenantID) throws -> IssuedCertificate? {
        guard let certificate = directory.endedCertificate(of: agent, in: tenant),
            certificate.notAfter.milliseconds(since: time.now) < AccessLimits.renewalMilliseconds
        else { return nil }
        return try renew(agent, of: tenant)
    }

    /// A new certificate for an agent's own keys: before the old one ends, or after a long absence, as long as
    /// it is not revoked. The caller has verified a message signed with the identity key.
    package func renew(_ agent: AgentID, of tenant: TenantID) throws -> IssuedCertificate {
        let now = time.now
        let issued = try store.write { database in
            guard let last = try AccessStore.active(agent, tenant, database).last else {
                throw AccessError(.notFound, "tenant \(tenant) has no agent \(agent)")
            }
            var renewed = last.certificate
            var generator = SecureGenerator()
            renewed.serial = ID128(random: &generator)
            renewed.notBefore = now.advanced(byMilliseconds: -300_000)
            renewed.notAfter = now.advanced(byMilliseconds: AccessLimits.certificateMilliseconds)
            let issued = self.sign(renewed, enrolment: last.enrolment, bornAt: last.bornAt, now: now)
            try AccessStore.insert(issued, database)
            return issued
        }
        directory.set(issued)
        return issued
    }

    /// Revokes an agent: its certificates, its broker credential, and the fleet's signed list.
    package func revoke(_ agent: AgentID, of tenant: TenantID) throws {
        let serials = try store.revokeAgent(agent, of: tenant, now: time.now)
        directory.remove(agent, tenant)
        try keys.revoke(serials)
        try keys.rotate(now: time.now)
        try credentialsChanged()
    }

    /// To be called at each verified birth; writes only at an agent's first.
    package func noteBirth(of agent: AgentID, tenant: TenantID) throws {
        let now = time.now
        guard directory.noteBirth(of: agent, tenant, now: now) else { return }
        try store.noteBirth(of: agent, tenant: tenant, now: now)
    }

    // MARK: Issuing

    private func issueFirst(
        _ request: EnrolmentRequest, _ enrolment: EnrolmentRecord, passwordHash: String, _ database: Database,
        now: Timestamp
    ) throws -> (issued: IssuedCertificate, replaced: [ID128]) {
        let offer = enrolment.offer
        guard enrolment.uses < offer.usesMax else {
            throw AccessError(.refused, "the enrolment token is used up; ask for a new one")
        }
        let agent = offer.agent ?? request.agent ?? Self.name(for: request.identityKey)
        let holders = try AccessStore.active(agent, offer.tenant, database).map(\.certificate.serial)
        guard holders.isEmpty || offer.agent != nil else {
            throw AccessError(
                .exists, "agent \(agent) exists; choose another name, or have a token made for this very name")
        }
        let count = try database.statement("SELECT count(*) FROM credentials WHERE tenant = ?1")
        try count.bind(1, offer.tenant.rawValue)
        guard try count.firstInteger() ?? 0 < AccessLimits.agentsPerTenantMax else {
            throw AccessError(.limit, "tenant \(offer.tenant) has \(AccessLimits.agentsPerTenantMax) agents already")
        }
        if !holders.isEmpty { try AccessStore.revoke(agent, offer.tenant, database, now: now) }
        var generator = SecureGenerator()
        let certificate = Certificate(
            serial: ID128(random: &generator), tenant: offer.tenant, agent: agent, identityKey: request.identityKey,
            boxKey: request.boxKey, notBefore: now.advanced(byMilliseconds: -300_000),
            notAfter: now.advanced(byMilliseconds: AccessLimits.certificateMilliseconds), region: offer.region,
            site: offer.site, job: offer.job, isRelay: offer.isRelay)
        let issued = sign(certificate, enrolment: enrolment.id, bornAt: nil, now: now)
        try AccessStore.insert(issued, database)
        try AccessStore.setPassword(passwordHash, of: agent, offer.tenant, database)
        let used = try database.statement("UPDATE enrolments SET uses = uses + 1 WHERE id = ?1")
        try used.bind(1, enrolment.id.bytes)
        try used.run()
        return (issued, holders)
    }

    private func sign(
        _ certificate: Certificate, enrolment: ID128?, bornAt: Timestamp?, now: Timestamp
    ) -> IssuedCertificate {
        let record = SignedRecord.sign(
            .certificate, tenant: certificate.tenant, agent: certificate.agent, record: certificate,
            with: keys.signer(.certificate))
        return IssuedCertificate(
            certificate: certificate, record: record, enrolment: enrolment, issuedAt: now, bornAt: bornAt,
            revokedAt: nil)
    }

    private static func verify(_ bytes: [UInt8]) throws -> EnrolmentRequest {
        do {
            let request = try EnrolmentRequest(decoding: SignedEnvelope(decoding: bytes).body)
            _ = try SignedRecord.verify(bytes, .enrolmentRequest, keys: [request.identityKey])
            return request
        } catch {
            throw AccessError(.invalid, "not an enrolment request signed with its own key")
        }
    }

    private static func name(for key: ID256) -> AgentID {
        AgentID(unchecked: "node-" + Hexadecimal.encode(key.bytes.prefix(6)))
    }
}
