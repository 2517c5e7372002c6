import SQLite
import Sealing
package import Telemetry

extension AccessStore {
    /// Makes a token.
    /// - Parameters:
    ///   - tenant: nil for the whole installation, administrators only.
    ///   - expiresAt: nil: never.
    /// - Returns: the only copy of its text.
    package func createToken(
        role: Role, tenant: TenantID?, name: String = "", expiresAt: Timestamp? = nil, now: Timestamp
    ) throws -> (token: BearerToken, record: TokenRecord) {
        guard tenant != nil || role == .admin else {
            throw AccessError(.invalid, "role \(role.rawValue) needs a tenant; only admin may span the installation")
        }
        if let expiresAt, expiresAt <= now { throw AccessError(.invalid, "the expiry is not in the future") }
        try Self.checkText(name, "name", bytesMax: AccessLimits.nameBytesMax)
        let token = BearerToken()
        try write { database in
            if let tenant { try Self.requireTenant(tenant, database) }
            let count = try database.statement("SELECT count(*) FROM tokens WHERE tenant IS ?1")
            try count.bind(1, optional: tenant?.rawValue)
            guard try count.firstInteger() ?? 0 < AccessLimits.tokensPerTenantMax else {
                throw AccessError(.limit, "a tenant has at most \(AccessLimits.tokensPerTenantMax) tokens")
            }
            let insert = try database.statement(
                """
                INSERT INTO tokens(id, secret_hash, role, tenant, name, created_at, expires_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                """)
            try insert.bind(1, token.id)
            try insert.bind(2, token.hash)
            try insert.bind(3, role.rawValue)
            try insert.bind(4, optional: tenant?.rawValue)
            try insert.bind(5, name)
            try insert.bind(6, now.milliseconds)
            try insert.bind(7, expiresAt)
            try insert.run()
        }
        let record = TokenRecord(
            id: token.id, role: role, tenant: tenant, name: name, createdAt: now, expiresAt: expiresAt)
        return (token, record)
    }

    /// The tokens of one tenant, or with nil those of the installation, oldest first, revoked ones included.
    package func tokens(of tenant: TenantID?) throws -> [TokenRecord] {
        try read { database in
            let rows = try database.statement(
                """
                SELECT id, role, tenant, name, created_at, expires_at, revoked_at, last_used_at FROM tokens
                WHERE tenant IS ?1 ORDER BY created_at, id
                """)
            try rows.bind(1, optional: tenant?.rawValue)
            var records: [TokenRecord] = []
            while try rows.step() { if let record = Self.token(rows) { records.append(record) } }
            return records
        }
    }

    /// Revoking twice is fine.
    /// - Parameter tenant: whose token it must be; nil: anyone's.
    /// - Throws: `notFound` for a token that is not there or another tenant's.
    package func revokeToken(_ id: String, of tenant: TenantID?, now: Timestamp) throws {
        try write { database in
            let update = try database.statement(
                """
                UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2)
                WHERE id = ?1 AND (?3 IS NULL OR tenant = ?3)
                """)
            try update.bind(1, id)
            try update.bind(2, now.milliseconds)
            try update.bind(3, optional: tenant?.rawValue)
            try update.run()
            guard database.changes > 0 else { throw AccessError(.notFound, "there is no token \(id.prefix(32))") }
        }
    }

    /// Whose token `text` is, if it was found good within the last second. Reads no file.
    package func admitted(_ text: String, now: Timestamp) -> Principal? {
        BearerToken(text: text).flatMap { admitted.principal(of: $0, now: now) }
    }

    /// Whether a token that was good once still is.
    package func isValid(tokenID: String, now: Timestamp) throws -> Bool {
        try read { database in
            let row = try database.statement(
                "SELECT 1 FROM tokens WHERE id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)")
            try row.bind(1, tokenID)
            try row.bind(2, now.milliseconds)
            return try row.firstInteger() != nil
        }
    }

    /// Whose token `text` is.
    /// - Returns: nil when it is no token, unknown, wrong, expired or revoked; no reason is told.
    package func authenticate(_ text: String, now: Timestamp) throws -> Principal? {
        guard let token = BearerToken(text: text) else { return nil }
        let found = try read { database -> (record: TokenRecord, hash: [UInt8])? in
            let row = try database.statement(
                """
                SELECT id, role, tenant, name, created_at, expires_at, revoked_at, last_used_at, secret_hash
                FROM tokens WHERE id = ?1
                """)
            try row.bind(1, token.id)
            guard try row.step() else { return nil }
            defer { row.reset() }
            return Self.token(row).map { ($0, row.blob(8)) }
        }
        guard let found, ConstantTime.equal(token.hash, found.hash), found.record.revokedAt == nil,
            found.record.expiresAt.map({ $0 > now }) ?? true
        else { return nil }
        let sinceUse = found.record.lastUsedAt.map { now.milliseconds(since: $0) } ?? .max
        if sinceUse >= AccessLimits.lastUsedMilliseconds { try noteUse(of: token.id, now: now) }
        let principal = Principal(tokenID: token.id, role: found.record.role, tenant: found.record.tenant)
        admitted.insert(principal, of: token, expiresAt: found.record.expiresAt, now: now)
        return principal
    }

    private func noteUse(of id: String, now: Timestamp) throws {
        try write(synchronous: .normal) { database in
            let update = try database.statement("UPDATE tokens SET last_used_at = ?2 WHERE id = ?1")
            try update.bind(1, id)
            try update.bind(2, now.milliseconds)
            try update.run()
        }
    }

    private static func token(_ row: Statement) -> TokenRecord? {
        guard let role = Role(rawValue: row.text(1)) else { return nil }
        let tenant = row.isNull(2) ? nil : TenantID(rawValue: row.text(2))
        // A tenant that does not read must not turn into "the whole installation".
        guard row.isNull(2) || tenant != nil else { return nil }
        return TokenRecord(
            id: row.text(0), role: role, tenant: tenant, name: row.text(3),
            createdAt: Timestamp(milliseconds: row.integer(4)), expiresAt: row.time(5), revokedAt: row.time(6),
            lastUsedAt: row.time(7))
    }
}
