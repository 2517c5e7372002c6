import SQLite
import Sealing
import Synchronization
package import Telemetry

/// `access.sqlite`: tenants, tokens, enrolments, certificates and broker credentials of one installation.
///
/// Thread-safe: one connection, handed from caller to caller under the lock; calls cost tens of microseconds,
/// writes one fsync. Another process may open the same file beside it (the command does).
package final class AccessStore: Sendable {
    package let path: String
    /// Where a damaged file was set aside at opening; then no token is valid until new ones are made.
    package let quarantinedPath: String?
    private let database: Mutex<Database>
    let admitted = AdmittedTokens()

    /// Opens or creates the file. A damaged one is set aside.
    package init(path: String, now: Timestamp) throws {
        self.path = path
        let configuration = DatabaseConfiguration(cacheBytes: 1 << 20, synchronous: .full)
        var quarantined: String?
        func open() throws -> Database {
            let database = try Database(path: path, configuration: configuration)
            try database.migrate(AccessSchema.migrations)
            database.transferOwnership()
            return database
        }
        var opened: Database
        do {
            opened = try open()
        } catch let error as SQLiteError where error.isDamage {
            quarantined = try Database.quarantine(path, unixSeconds: now.milliseconds / 1000)
            opened = try open()
        }
        quarantinedPath = quarantined
        database = Mutex(opened)
    }

    /// Runs `body` with the connection.
    func read<Value: Sendable>(_ body: (Database) throws -> Value) throws -> Value {
        try database.withLock { database in
            defer { database.transferOwnership() }
            return try body(database)
        }
    }

    /// Runs `body` in one durable transaction.
    func write<Value: Sendable>(
        synchronous: DatabaseConfiguration.Synchronous = .full, _ body: (Database) throws -> Value
    ) throws -> Value {
        // Before the answer, and after what a reader may have put in meanwhile.
        defer { admitted.removeAll() }
        return try database.withLock { database in
            defer { database.transferOwnership() }
            return try database.transaction(synchronous: synchronous) { try body(database) }
        }
    }

    // MARK: Tenants

    package func createTenant(_ tenant: TenantID, now: Timestamp) throws {
        try write { database in
            guard try !Self.exists(tenant, database) else {
                throw AccessError(.exists, "tenant \(tenant) exists already")
            }
            guard try database.statement("SELECT count(*) FROM tenants").firstInteger() ?? 0 < AccessLimits.tenantsMax
            else { throw AccessError(.limit, "\(AccessLimits.tenantsMax) tenants are the most") }
            let insert = try database.statement("INSERT INTO tenants(name, created_at) VALUES (?1, ?2)")
            try insert.bind(1, tenant.rawValue)
            try insert.bind(2, now.milliseconds)
            try insert.run()
        }
    }

    package func tenants() throws -> [(name: TenantID, createdAt: Timestamp)] {
        try read { database in
            let rows = try database.statement("SELECT name, created_at FROM tenants ORDER BY name")
            var result: [(name: TenantID, createdAt: Timestamp)] = []
            while try rows.step() {
                guard let name = TenantID(rawValue: rows.text(0)) else { continue }
                result.append((name, Timestamp(milliseconds: rows.integer(1))))
            }
            return result
        }
    }

    package func hasTenant(_ tenant: TenantID) throws -> Bool { try read { try Self.exists(tenant, $0) } }

    static func exists(_ tenant: TenantID, _ database: Database) throws -> Bool {
        let row = try database.statement("SELECT 1 FROM tenants WHERE name = ?1")
        try row.bind(1, tenant.rawValue)
        return try row.firstInteger() != nil
    }

    static func requireTenant(_ tenant: TenantID, _ database: Database) throws {
        guard try exists(tenant, database) else { throw AccessError(.notFound, "there is no tenant \(tenant)") }
    }

    static func checkText(_ text: String, _ what: String, bytesMax: Int) throws {
        guard text.utf8.count <= bytesMax, text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else {
            throw AccessError(.invalid, "\(what): at most \(bytesMax) bytes without control characters")
        }
    }
}

extension Statement {
    func time(_ column: Int32) -> Timestamp? {
        isNull(column) ? nil : Timestamp(milliseconds: integer(column))
    }
    func bind(_ index: Int32, _ time: Timestamp?) throws {
        if let time { try bind(index, time.milliseconds) } else { try bindNull(index) }
    }
    func bind(_ index: Int32, optional text: String?) throws {
        if let text { try bind(index, text) } else { try bindNull(index) }
    }
}
