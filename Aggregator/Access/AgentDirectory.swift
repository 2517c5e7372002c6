import Synchronization
package import Telemetry
package import WireFormat

/// Which agents exist, in memory, for those who verify batches: one hash look-up per question.
///
/// Thread-safe. Filled from ``AccessStore`` at start and kept by ``EnrolmentService``.
package final class AgentDirectory: Sendable {
    package struct Address: Hashable, Sendable {
        package var tenant: TenantID
        package var agent: AgentID
        package init(tenant: TenantID, agent: AgentID) {
            self.tenant = tenant
            self.agent = agent
        }
    }
    private let certificates = Mutex<[Address: IssuedCertificate]>([:])

    package init() {}

    /// The agent's newest certificate that is not revoked. Whether it has expired is the caller's question:
    /// a backlog sealed while it was valid still counts.
    package func certificate(of agent: AgentID, tenant: TenantID) -> IssuedCertificate? {
        certificates.withLock { $0[Address(tenant: tenant, agent: agent)] }
    }

    /// The certificate in force at `time`; nil when the agent is unknown, revoked or its certificate has ended.
    package func certificate(of agent: AgentID, in tenant: TenantID, at time: Timestamp) -> Certificate? {
        guard let certificate = certificate(of: agent, tenant: tenant)?.certificate, certificate.isValid(at: time)
        else { return nil }
        return certificate
    }

    /// The newest certificate whether or not it has ended; nil when the agent is unknown or revoked.
    package func endedCertificate(of agent: AgentID, in tenant: TenantID) -> Certificate? {
        certificate(of: agent, tenant: tenant)?.certificate
    }

    /// Of every tenant, in no order.
    package var certificatesOfAll: [Certificate] { certificates.withLock { $0.values.map(\.certificate) } }

    package func certificates(of tenant: TenantID) -> [IssuedCertificate] {
        certificates.withLock { $0.values.filter { $0.certificate.tenant == tenant } }
            .sorted { $0.certificate.agent < $1.certificate.agent }
    }

    /// Reads everything anew, for example after another process has changed the store.
    package func reload(from store: AccessStore) throws {
        var fresh: [Address: IssuedCertificate] = [:]
        for issued in try store.activeCertificates() {
            fresh[Address(tenant: issued.certificate.tenant, agent: issued.certificate.agent)] = issued
        }
        certificates.withLock { $0 = fresh }
    }

    func set(_ issued: IssuedCertificate) {
        let address = Address(tenant: issued.certificate.tenant, agent: issued.certificate.agent)
        certificates.withLock { $0[address] = issued }
    }
    func remove(_ agent: AgentID, _ tenant: TenantID) {
        certificates.withLock { $0[Address(tenant: tenant, agent: agent)] = nil }
    }
    func noteBirth(of agent: AgentID, _ tenant: TenantID, now: Timestamp) -> Bool {
        certificates.withLock { certificates in
            let address = Address(tenant: tenant, agent: agent)
            guard certificates[address]?.bornAt == nil, certificates[address] != nil else { return false }
            certificates[address]?.bornAt = now
            return true
        }
    }
}
