import SQLite
package import Telemetry
package import WireFormat

/// A certificate that this installation issued.
package struct IssuedCertificate: Hashable, Sendable {
    package var certificate: Certificate
    /// The signed record.
    package var record: [UInt8]
    package var enrolment: ID128?
    package var issuedAt: Timestamp
    /// The first signed birth; until then the same key may repeat its enrolment.
    package var bornAt: Timestamp?
    package var revokedAt: Timestamp?
}

extension AccessStore {
    /// Every certificate that is not revoked, of all tenants: what ``AgentDirectory`` starts from.
    package func activeCertificates() throws -> [IssuedCertificate] {
        try read { database in
            try Self.certificates(
                database.statement("\(Self.certificateColumns) WHERE revoked_at IS NULL ORDER BY issued_at, serial"))
        }
    }

    /// A tenant's certificates, newest last, revoked ones included.
    package func certificates(of tenant: TenantID) throws -> [IssuedCertificate] {
        try read { database in
            let rows = try database.statement("\(Self.certificateColumns) WHERE tenant = ?1 ORDER BY issued_at, serial")
            try rows.bind(1, tenant.rawValue)
            return try Self.certificates(rows)
        }
    }

    /// Ends the time in which the agent may repeat its enrolment. Idempotent.
    package func noteBirth(of agent: AgentID, tenant: TenantID, now: Timestamp) throws {
        try write { database in
            let update = try database.statement(
                """
                UPDATE certificates SET born_at = ?3
                WHERE tenant = ?1 AND agent = ?2 AND born_at IS NULL AND revoked_at IS NULL
                """)
            try update.bind(1, tenant.rawValue)
            try update.bind(2, agent.rawValue)
            try update.bind(3, now.milliseconds)
            try update.run()
        }
    }

    /// Revokes an agent's certificates and takes its broker credential away. May be repeated, should what follows (the
    /// signed list, the broker's files) have failed.
    /// - Returns: the serials of all its revoked certificates, for the signed revocation list.
    /// - Throws: `notFound` when the tenant never had such an agent.
    package func revokeAgent(_ agent: AgentID, of tenant: TenantID, now: Timestamp) throws -> [ID128] {
        try write { database in
            try Self.revoke(agent, tenant, database, now: now)
            let rows = try database.statement("SELECT serial FROM certificates WHERE tenant = ?1 AND agent = ?2")
            try rows.bind(1, tenant.rawValue)
            try rows.bind(2, agent.rawValue)
            var serials: [ID128] = []
            while try rows.step() { if let serial = ID128(bytes: rows.blob(0)) { serials.append(serial) } }
            guard !serials.isEmpty else { throw AccessError(.notFound, "tenant \(tenant) has no agent \(agent)") }
            let delete = try database.statement("DELETE FROM credentials WHERE tenant = ?1 AND agent = ?2")
            try delete.bind(1, tenant.rawValue)
            try delete.bind(2, agent.rawValue)
            try delete.run()
            return serials
        }
    }

    /// The groups whose manifests an agent may read from the broker.
    package func setGroups(_ groups: [GroupName], of agent: AgentID, tenant: TenantID) throws {
        guard groups.count <= AccessLimits.groupsPerAgentMax else {
            throw AccessError(.limit, "an agent is in at most \(AccessLimits.groupsPerAgentMax) groups")
        }
        try write { database in
            try Self.requireTenant(tenant, database)
            let delete = try database.statement("DELETE FROM agent_groups WHERE tenant = ?1 AND agent = ?2")
            try delete.bind(1, tenant.rawValue)
            try delete.bind(2, agent.rawValue)
            try delete.run()
            for group in Set(groups) {
                let insert = try database.statement("INSERT INTO agent_groups(tenant, agent, name) VALUES (?1, ?2, ?3)")
                try insert.bind(1, tenant.rawValue)
                try insert.bind(2, agent.rawValue)
                try insert.bind(3, group.rawValue)
                try insert.run()
            }
        }
    }

    /// What the broker's password and ACL files are made of, ordered by tenant and agent.
    package func brokerCredentials() throws -> [BrokerCredential] {
        try read { database in
            var groups: [String: [GroupName]] = [:]
            let groupRows = try database.statement("SELECT tenant, agent, name FROM agent_groups ORDER BY 1, 2, 3")
            while try groupRows.step() {
                guard let group = GroupName(rawValue: groupRows.text(2)) else { continue }
                groups["\(groupRows.text(0))/\(groupRows.text(1))", default: []].append(group)
            }
            let rows = try database.statement("SELECT tenant, agent, password_hash FROM credentials ORDER BY 1, 2")
            var credentials: [BrokerCredential] = []
            while try rows.step() {
                guard let tenant = TenantID(rawValue: rows.text(0)), let agent = AgentID(rawValue: rows.text(1)) else {
                    continue
                }
                credentials.append(
                    BrokerCredential(
                        tenant: tenant, agent: agent, passwordHash: rows.text(2),
                        groups: groups["\(tenant)/\(agent)"] ?? []))
            }
            return credentials
        }
    }

    // MARK: Within a transaction

    static let certificateColumns =
        "SELECT record, enrolment, issued_at, born_at, revoked_at FROM certificates"

    static func active(_ agent: AgentID, _ tenant: TenantID, _ database: Database) throws -> [IssuedCertificate] {
        let rows = try database.statement(
            "\(certificateColumns) WHERE tenant = ?1 AND agent = ?2 AND revoked_at IS NULL ORDER BY issued_at, serial")
        try rows.bind(1, tenant.rawValue)
        try rows.bind(2, agent.rawValue)
        return try certificates(rows)
    }

    static func active(identityKey: ID256, enrolment: ID128, _ database: Database) throws -> IssuedCertificate? {
        let rows = try database.statement(
            "\(certificateColumns) WHERE identity_key = ?1 AND enrolment = ?2 AND revoked_at IS NULL ORDER BY issued_at"
        )
        try rows.bind(1, identityKey.bytes)
        try rows.bind(2, enrolment.bytes)
        return try certificates(rows).last
    }

    static func insert(_ issued: IssuedCertificate, _ database: Database) throws {
        let certificate = issued.certificate
        let insert = try database.statement(
            """
            INSERT INTO certificates(serial, tenant, agent, identity_key, record, not_after, enrolment, issued_at, born_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """)
        try insert.bind(1, certificate.serial.bytes)
        try insert.bind(2, certificate.tenant.rawValue)
        try insert.bind(3, certificate.agent.rawValue)
        try insert.bind(4, certificate.identityKey.bytes)
        try insert.bind(5, issued.record)
        try insert.bind(6, certificate.notAfter.milliseconds)
        if let enrolment = issued.enrolment { try insert.bind(7, enrolment.bytes) } else { try insert.bindNull(7) }
        try insert.bind(8, issued.issuedAt.milliseconds)
        try insert.bind(9, issued.bornAt)
        try insert.run()
    }

    static func revoke(_ agent: AgentID, _ tenant: TenantID, _ database: Database, now: Timestamp) throws {
        let update = try database.statement(
            "UPDATE certificates SET revoked_at = ?3 WHERE tenant = ?1 AND agent = ?2 AND revoked_at IS NULL")
        try update.bind(1, tenant.rawValue)
        try update.bind(2, agent.rawValue)
        try update.bind(3, now.milliseconds)
        try update.run()
    }

    static func setPassword(_ hash: String, of agent: AgentID, _ tenant: TenantID, _ database: Database) throws {
        let upsert = try database.statement(
            """
            INSERT INTO credentials(tenant, agent, password_hash) VALUES (?1, ?2, ?3)
            ON CONFLICT(tenant, agent) DO UPDATE SET password_hash = excluded.password_hash
            """)
        try upsert.bind(1, tenant.rawValue)
        try upsert.bind(2, agent.rawValue)
        try upsert.bind(3, hash)
        try upsert.run()
    }

    private static func certificates(_ rows: Statement) throws -> [IssuedCertificate] {
        var result: [IssuedCertificate] = []
        while try rows.step() {
            let record = rows.blob(0)
            // Written by this program from a value that encodes; anything else is damage and no certificate.
            guard let envelope = try? SignedEnvelope(decoding: record),
                let certificate = try? Certificate(decoding: envelope.body)
            else { continue }
            result.append(
                IssuedCertificate(
                    certificate: certificate, record: record,
                    enrolment: rows.isNull(1) ? nil : ID128(bytes: rows.blob(1)),
                    issuedAt: Timestamp(milliseconds: rows.integer(2)), bornAt: rows.time(3), revokedAt: rows.time(4)))
        }
        return result
    }
}
