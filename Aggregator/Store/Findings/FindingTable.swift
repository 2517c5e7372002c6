import SQLite
package import Telemetry
import WireFormat

/// Findings as `ingest.sqlite` keeps them, written in the transaction of the batch that brought them:
///
///     finding(agent, id, since, until, body)   until: null while it is open; body: a finding block of one
///
/// Of several reports of one finding the closing one stays, else the last.
enum FindingTable {
    static let migration = Migration(
        """
        CREATE TABLE finding(agent INTEGER NOT NULL, id BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER,
          body BLOB NOT NULL, PRIMARY KEY(agent, id)) STRICT, WITHOUT ROWID;
        CREATE INDEX finding_since ON finding(since);
        """)

    static func put(_ finding: Finding, _ agent: AgentNumber, in database: Database) throws {
        let statement = try database.statement(
            """
            INSERT INTO finding(agent, id, since, until, body) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT(agent, id) DO UPDATE SET since = excluded.since, until = excluded.until, body = excluded.body
            WHERE finding.until IS NULL OR excluded.until IS NOT NULL
            """)
        try statement.bind(1, Int64(agent))
        try statement.bind(2, finding.id.bytes)
        try statement.bind(3, finding.since.milliseconds)
        if let until = finding.until { try statement.bind(4, until.milliseconds) } else { try statement.bindNull(4) }
        try statement.bind(5, FindingBlock.encode([finding]))
        try statement.run()
    }

    /// The newest first. A body that does not decode is left out.
    static func find(_ query: FindingQuery, agent: AgentNumber?, in database: Database) throws
        -> [(agent: AgentNumber, finding: Finding)]
    {
        let statement = try database.statement(
            """
            SELECT agent, body FROM finding
            WHERE since <= ?2 AND (until IS NULL OR until >= ?1) AND (?3 IS NULL OR agent = ?3)
              AND (?4 IS NULL OR (until IS NULL) = ?4)
            ORDER BY since DESC, agent, id
            """)
        defer { statement.reset() }
        try statement.bind(1, query.range.lowerBound.milliseconds)
        try statement.bind(2, query.range.upperBound.milliseconds)
        if let agent { try statement.bind(3, Int64(agent)) } else { try statement.bindNull(3) }
        if let isOpen = query.isOpen { try statement.bind(4, isOpen ? 1 : 0) } else { try statement.bindNull(4) }
        var found: [(agent: AgentNumber, finding: Finding)] = []
        while found.count < query.limit, try statement.step() {
            guard let finding = try? FindingBlock.decode(statement.blob(1)).first, query.accepts(finding) else {
                continue
            }
            found.append((AgentNumber(truncatingIfNeeded: statement.integer(0)), finding))
        }
        return found
    }

    /// Removes those that ended before `cut`, and the oldest beyond the bound.
    static func trim(before cut: Timestamp, in database: Database) throws {
        let expire = try database.statement("DELETE FROM finding WHERE since < ?1 AND coalesce(until, since) < ?1")
        try expire.bind(1, cut.milliseconds)
        try expire.run()
        let count = try database.integer("SELECT count(*) FROM finding") ?? 0
        guard count > StoreLimits.findingsMax else { return }
        let drop = try database.statement(
            """
            DELETE FROM finding WHERE (agent, id) IN
              (SELECT agent, id FROM finding ORDER BY since, agent, id LIMIT ?1)
            """)
        try drop.bind(1, count - StoreLimits.findingsMax)
        try drop.run()
    }
}

/// Which findings to look for.
package struct FindingQuery: Sendable {
    /// Those that were open at some time within.
    package var range: ClosedRange<Timestamp>
    package var agent: AgentID?
    /// nil: open and closed ones.
    package var isOpen: Bool?
    package var group: String?
    /// A metric's name among the contributors.
    package var metric: String?
    /// The newest so many.
    package var limit: Int

    package init(
        range: ClosedRange<Timestamp>, agent: AgentID? = nil, isOpen: Bool? = nil, group: String? = nil,
        metric: String? = nil, limit: Int = 1000
    ) {
        self.range = range
        self.agent = agent
        self.isOpen = isOpen
        self.group = group
        self.metric = metric
        self.limit = limit
    }

    func accepts(_ finding: Finding) -> Bool {
        (group == nil || finding.group == group)
            && (metric == nil || finding.contributors.contains { $0.key.name == metric })
    }
}

/// A finding and whose it is.
package struct StoredFinding: Hashable, Sendable {
    package let agent: AgentID
    package let finding: Finding
    package init(agent: AgentID, finding: Finding) {
        self.agent = agent
        self.finding = finding
    }
}

extension TenantStore {
    /// The newest first.
    /// - Complexity: O(findings since the range's start).
    package func findings(_ query: FindingQuery) throws -> [StoredFinding] {
        var number: AgentNumber?
        if let agent = query.agent {
            number = agents.number(of: agent)
            if number == nil { return [] }
        }
        return try throwing {
            try ingestReaders.use { try FindingTable.find(query, agent: number, in: $0) }
        }.compactMap { row in agents.name(of: row.agent).map { StoredFinding(agent: $0, finding: row.finding) } }
    }
}
