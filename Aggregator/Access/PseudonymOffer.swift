import SQLite
package import Telemetry

/// A tenant's pseudonym key on its way to an agent, as the administrator's tool sealed it: nobody here can open it, the
/// token alone holds the secret.
package struct PseudonymOffer: Hashable, Sendable {
    package static let sealedBytesMax = 256
    /// From 1.
    package var version: UInt32
    /// `PseudonymKey.fingerprint`: says whether two tools mean the same key.
    package var fingerprint: ID128
    package var sealed: [UInt8]

    package init(version: UInt32, fingerprint: ID128, sealed: [UInt8]) {
        self.version = version
        self.fingerprint = fingerprint
        self.sealed = sealed
    }
}

/// Which pseudonym key a tenant's agents get; of the key itself nothing is known here.
package struct PseudonymNote: Hashable, Sendable {
    package var version: UInt32
    package var fingerprint: ID128
}

extension AccessStore {
    /// The key that the tenant's last enrolment token brought; nil before the first.
    package func pseudonymNote(of tenant: TenantID) throws -> PseudonymNote? {
        try read { try Self.pseudonymNote(of: tenant, $0) }
    }

    /// Within the caller's transaction: a tenant's agents all get one key, or a newer one.
    /// - Throws: ``AccessError`` for another key of the same version, or an older one.
    static func note(_ offer: PseudonymOffer, of tenant: TenantID, _ database: Database, now: Timestamp) throws {
        guard offer.version > 0, (1...PseudonymOffer.sealedBytesMax).contains(offer.sealed.count) else {
            throw AccessError(
                .invalid, "pseudonym key: a version from 1 and up to \(PseudonymOffer.sealedBytesMax) bytes")
        }
        if let known = try pseudonymNote(of: tenant, database) {
            guard offer.version >= known.version else {
                throw AccessError(
                    .exists,
                    "tenant \(tenant) has version \(known.version) of its pseudonym key by now, not \(offer.version)")
            }
            guard offer.version > known.version || offer.fingerprint == known.fingerprint else {
                throw AccessError(
                    .exists,
                    "tenant \(tenant) has another pseudonym key (fingerprint \(known.fingerprint)): users would get a "
                        + "second pseudonym; import that key, or rotate to version \(known.version + 1)")
            }
            if offer.version == known.version { return }
        }
        let insert = try database.statement(
            "INSERT OR REPLACE INTO pseudonym_keys(tenant, version, fingerprint, noted_at) VALUES (?1, ?2, ?3, ?4)")
        try insert.bind(1, tenant.rawValue)
        try insert.bind(2, Int64(offer.version))
        try insert.bind(3, offer.fingerprint.bytes)
        try insert.bind(4, now.milliseconds)
        try insert.run()
    }

    private static func pseudonymNote(of tenant: TenantID, _ database: Database) throws -> PseudonymNote? {
        let row = try database.statement("SELECT version, fingerprint FROM pseudonym_keys WHERE tenant = ?1")
        try row.bind(1, tenant.rawValue)
        guard try row.step() else { return nil }
        defer { row.reset() }
        guard let fingerprint = ID128(bytes: row.blob(1)) else { return nil }
        return PseudonymNote(version: UInt32(clamping: row.integer(0)), fingerprint: fingerprint)
    }
}
