import SQLite

/// The steps of `access.sqlite`. Times are milliseconds since 1970; hashes are BLAKE2b-256 of random secrets.
enum AccessSchema {
    static let migrations = [
        Migration(
            """
            CREATE TABLE tenants(name TEXT PRIMARY KEY, created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE TABLE tokens(
                id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, role TEXT NOT NULL,
                tenant TEXT REFERENCES tenants(name), name TEXT NOT NULL, created_at INTEGER NOT NULL,
                expires_at INTEGER, revoked_at INTEGER, last_used_at INTEGER) STRICT, WITHOUT ROWID;
            CREATE INDEX tokens_by_tenant ON tokens(tenant, created_at);
            CREATE TABLE enrolments(
                id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL, tenant TEXT NOT NULL REFERENCES tenants(name),
                agent TEXT, region TEXT NOT NULL, site TEXT NOT NULL, job TEXT NOT NULL, created_at INTEGER NOT NULL,
                expires_at INTEGER NOT NULL, uses_max INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0,
                revoked_at INTEGER) STRICT, WITHOUT ROWID;
            CREATE INDEX enrolments_by_tenant ON enrolments(tenant, created_at);
            CREATE TABLE certificates(
                serial BLOB PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants(name), agent TEXT NOT NULL,
                identity_key BLOB NOT NULL, record BLOB NOT NULL, not_after INTEGER NOT NULL,
                enrolment BLOB, issued_at INTEGER NOT NULL, born_at INTEGER, revoked_at INTEGER) STRICT, WITHOUT ROWID;
            CREATE INDEX certificates_by_agent ON certificates(tenant, agent, issued_at);
            CREATE INDEX certificates_by_key ON certificates(identity_key);
            CREATE TABLE credentials(
                tenant TEXT NOT NULL REFERENCES tenants(name), agent TEXT NOT NULL, password_hash TEXT NOT NULL,
                PRIMARY KEY(tenant, agent)) STRICT, WITHOUT ROWID;
            CREATE TABLE agent_groups(
                tenant TEXT NOT NULL REFERENCES tenants(name), agent TEXT NOT NULL, name TEXT NOT NULL,
                PRIMARY KEY(tenant, agent, name)) STRICT, WITHOUT ROWID;
            """),
        Migration(
            """
            ALTER TABLE enrolments ADD COLUMN groups TEXT NOT NULL DEFAULT '';
            CREATE TABLE commands(
                id BLOB PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants(name), agent TEXT NOT NULL,
                verb TEXT NOT NULL, argument TEXT NOT NULL, sent_at INTEGER NOT NULL, not_after INTEGER NOT NULL,
                outcome TEXT, text TEXT NOT NULL DEFAULT '', answered_at INTEGER) STRICT, WITHOUT ROWID;
            CREATE INDEX commands_by_tenant ON commands(tenant, sent_at);
            """),
        Migration(
            """
            ALTER TABLE enrolments ADD COLUMN pseudonym_version INTEGER;
            ALTER TABLE enrolments ADD COLUMN pseudonym_sealed BLOB;
            CREATE TABLE pseudonym_keys(
                tenant TEXT PRIMARY KEY REFERENCES tenants(name), version INTEGER NOT NULL, fingerprint BLOB NOT NULL,
                noted_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            """),
        Migration("ALTER TABLE enrolments ADD COLUMN relay INTEGER NOT NULL DEFAULT 0;"),
    ]
}
