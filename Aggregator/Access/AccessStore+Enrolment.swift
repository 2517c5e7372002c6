import SQLite
import Sealing
package import Telemetry

extension AccessStore {
    package func createEnrolment(_ offer: EnrolmentOffer, now: Timestamp) throws -> (id: ID128, secret: [UInt8]) {
        for (text, what) in [(offer.region, "region"), (offer.site, "site"), (offer.job, "job")] {
            try Self.checkText(text, what, bytesMax: AccessLimits.labelBytesMax)
        }
        guard offer.groups.count <= AccessLimits.groupsPerAgentMax else {
            throw AccessError(.limit, "an agent is in at most \(AccessLimits.groupsPerAgentMax) groups")
        }
        guard offer.expiresAt > now,
            offer.expiresAt.milliseconds(since: now) <= AccessLimits.enrolmentMillisecondsMax
        else { throw AccessError(.invalid, "an enrolment token expires within 30 days") }
        guard (1...AccessLimits.usesMax).contains(offer.usesMax) else {
            throw AccessError(.invalid, "uses: 1 to \(AccessLimits.usesMax)")
        }
        guard offer.agent == nil || offer.usesMax == 1 else {
            throw AccessError(.invalid, "a token that names its agent serves one agent: uses must be 1")
        }
        var generator = SecureGenerator()
        let id = ID128(random: &generator)
        let secret = RandomBytes.make(24)
        try write { database in
            try Self.requireTenant(offer.tenant, database)
            try Self.removeStaleEnrolments(database, now: now)
            let count = try database.statement("SELECT count(*) FROM enrolments WHERE tenant = ?1")
            try count.bind(1, offer.tenant.rawValue)
            guard try count.firstInteger() ?? 0 < AccessLimits.enrolmentsPerTenantMax else {
                throw AccessError(
                    .limit, "a tenant has at most \(AccessLimits.enrolmentsPerTenantMax) enrolment tokens")
            }
            if let key = offer.pseudonymKey { try Self.note(key, of: offer.tenant, database, now: now) }
            let insert = try database.statement(
                """
                INSERT INTO enrolments(
                    id, secret_hash, tenant, agent, region, site, job, created_at, expires_at, uses_max, groups,
                    pseudonym_version, pseudonym_sealed, relay)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                """)
            try insert.bind(1, id.bytes)
            try insert.bind(2, Hash.blake2b256(secret).bytes)
            try insert.bind(3, offer.tenant.rawValue)
            try insert.bind(4, optional: offer.agent?.rawValue)
            try insert.bind(5, offer.region)
            try insert.bind(6, offer.site)
            try insert.bind(7, offer.job)
            try insert.bind(8, now.milliseconds)
            try insert.bind(9, offer.expiresAt.milliseconds)
            try insert.bind(10, offer.usesMax)
            try insert.bind(11, offer.groups.map(\.rawValue).joined(separator: ","))
            if let key = offer.pseudonymKey {
                try insert.bind(12, Int64(key.version))
                try insert.bind(13, key.sealed)
            } else {
                try insert.bindNull(12)
                try insert.bindNull(13)
            }
            try insert.bind(14, offer.isRelay ? 1 : 0)
            try insert.run()
        }
        return (id, secret)
    }

    /// Oldest first; expired ones stay listed for 30 days.
    package func enrolments(of tenant: TenantID) throws -> [EnrolmentRecord] {
        try read { database in
            let rows = try database.statement("\(Self.enrolmentColumns) WHERE tenant = ?1 ORDER BY created_at, id")
            try rows.bind(1, tenant.rawValue)
            var records: [EnrolmentRecord] = []
            while try rows.step() { if let record = Self.enrolment(rows) { records.append(record) } }
            return records
        }
    }

    package func revokeEnrolment(_ id: ID128, of tenant: TenantID, now: Timestamp) throws {
        try write { database in
            let update = try database.statement(
                "UPDATE enrolments SET revoked_at = coalesce(revoked_at, ?3) WHERE id = ?1 AND tenant = ?2")
            try update.bind(1, id.bytes)
            try update.bind(2, tenant.rawValue)
            try update.bind(3, now.milliseconds)
            try update.run()
            guard database.changes > 0 else { throw AccessError(.notFound, "there is no enrolment token \(id)") }
        }
    }

    static let enrolmentColumns = """
        SELECT id, secret_hash, tenant, agent, region, site, job, created_at, expires_at, uses_max, uses, revoked_at,
            groups, pseudonym_version, pseudonym_sealed, relay
        FROM enrolments
        """

    static func enrolment(_ id: ID128, _ database: Database) throws -> EnrolmentRecord? {
        let row = try database.statement("\(enrolmentColumns) WHERE id = ?1")
        try row.bind(1, id.bytes)
        guard try row.step() else { return nil }
        defer { row.reset() }
        return enrolment(row)
    }

    private static func enrolment(_ row: Statement) -> EnrolmentRecord? {
        guard let id = ID128(bytes: row.blob(0)), let tenant = TenantID(rawValue: row.text(2)) else { return nil }
        let agent = row.isNull(3) ? nil : AgentID(rawValue: row.text(3))
        let offer = EnrolmentOffer(
            tenant: tenant, agent: agent, region: row.text(4), site: row.text(5), job: row.text(6),
            isRelay: row.integer(15) != 0, groups: GroupName.list(row.text(12)) ?? [],
            expiresAt: Timestamp(milliseconds: row.integer(8)),
            usesMax: row.integer(9))
        return EnrolmentRecord(
            id: id, offer: offer, createdAt: Timestamp(milliseconds: row.integer(7)), uses: row.integer(10),
            revokedAt: row.time(11), secretHash: row.blob(1),
            pseudonymKey: row.isNull(13) ? nil : (UInt32(clamping: row.integer(13)), row.blob(14)))
    }

    private static func removeStaleEnrolments(_ database: Database, now: Timestamp) throws {
        let delete = try database.statement("DELETE FROM enrolments WHERE expires_at < ?1")
        try delete.bind(1, now.advanced(byMilliseconds: -AccessLimits.enrolmentMillisecondsMax).milliseconds)
        try delete.run()
    }
}
