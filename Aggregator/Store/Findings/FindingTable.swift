import SQLite
import Telemetry
import WireFormat

/// Findings as `ingest.sqlite` keeps them. Those of nodes are written in the transaction of the batch that brought them:
///
///     finding(agent, node, id, since, until, body, origin, kind, joined)
///         agent: who sent it; node: `Finding.Source.path` of one that a relay handed on, else empty; until: null while it is open; body: a finding block of one; origin: 0 the node, 1 the fleet;
///         kind: the group, null in rows of before it was noted; joined: of a fleet's, the node's finding that it is part of
///
/// Of several reports of one finding the closing one stays, else the last.
///
/// What the fleet finds of a node and what the node finds itself, of the same group and at times that overlap or are at
/// most ``joinMilliseconds`` apart, is one finding: the node's, with the fleet's as a part of it. Whichever comes second
/// joins them, so that a node that was cut off does not tell again what is known. A fleet's finding joins once; of
/// several it joins the one that began first. Of what a relay hands on the same holds, node by node.
enum FindingTable {
    static let joinMilliseconds: Int64 = 300_000

    static let migration = Migration(
        """
        CREATE TABLE finding(agent INTEGER NOT NULL, id BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER,
          body BLOB NOT NULL, PRIMARY KEY(agent, id)) STRICT, WITHOUT ROWID;
        CREATE INDEX finding_since ON finding(since);
        """)
    static let originMigration = Migration(
        """
        ALTER TABLE finding ADD COLUMN origin INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE finding ADD COLUMN kind TEXT;
        ALTER TABLE finding ADD COLUMN joined BLOB;
        CREATE INDEX finding_fleet ON finding(agent, joined) WHERE origin = 1;
        """)

    static let nodeMigration = Migration(
        """
        CREATE TABLE finding_of_node(agent INTEGER NOT NULL, node TEXT NOT NULL, id BLOB NOT NULL, since INTEGER NOT NULL,
          until INTEGER, body BLOB NOT NULL, origin INTEGER NOT NULL, kind TEXT, joined BLOB,
          PRIMARY KEY(agent, node, id)) STRICT, WITHOUT ROWID;
        INSERT INTO finding_of_node SELECT agent, '', id, since, until, body, origin, kind, joined FROM finding;
        DROP TABLE finding;
        ALTER TABLE finding_of_node RENAME TO finding;
        CREATE INDEX finding_since ON finding(since);
        CREATE INDEX finding_fleet ON finding(agent, node, joined) WHERE origin = 1;
        """)

    /// - Parameter isForwarded: what changes is noted in the ``FindingOutbox``.
    static func put(
        _ finding: Finding, _ agent: AgentNumber, origin: FindingOrigin = .node, isForwarded: Bool = false,
        in database: Database
    ) throws {
        let origin = finding.source?.isByPeers == true ? .fleet : origin
        let node = finding.source?.path ?? ""
        let statement = try database.statement(
            """
            INSERT INTO finding(agent, id, since, until, body, origin, kind, node) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
            ON CONFLICT(agent, node, id) DO UPDATE
              SET since = excluded.since, until = excluded.until, body = excluded.body
            WHERE (finding.until IS NULL OR excluded.until IS NOT NULL) AND finding.origin = excluded.origin
            """)
        try statement.bind(1, Int64(agent))
        try statement.bind(2, finding.id.bytes)
        try statement.bind(3, finding.since.milliseconds)
        if let until = finding.until { try statement.bind(4, until.milliseconds) } else { try statement.bindNull(4) }
        try statement.bind(5, FindingBlock.encode([finding]))
        try statement.bind(6, origin.rawValue)
        try statement.bind(7, finding.group)
        try statement.bind(8, node)
        try statement.run()
        if isForwarded, database.changes > 0 { try FindingOutbox.add(agent, node, finding.id, in: database) }
        try join(finding, agent, node, origin, in: database)
    }

    private static func join(
        _ finding: Finding, _ agent: AgentNumber, _ node: String, _ origin: FindingOrigin, in database: Database
    ) throws {
        let near = "since <= ?5 AND (until IS NULL OR until >= ?4)"
        let statement = try database.statement(
            origin == .node
                ? """
                UPDATE finding SET joined = ?2
                WHERE agent = ?1 AND node = ?6 AND origin = 1 AND joined IS NULL AND kind = ?3 AND \(near)
                """
                : """
                UPDATE finding SET joined = (SELECT id FROM finding
                  WHERE agent = ?1 AND node = ?6 AND origin = 0 AND kind = ?3 AND \(near) ORDER BY since, id LIMIT 1)
                WHERE agent = ?1 AND node = ?6 AND id = ?2 AND origin = 1 AND joined IS NULL
                """)
        try statement.bind(1, Int64(agent))
        try statement.bind(2, finding.id.bytes)
        try statement.bind(3, finding.group)
        let from = finding.since.milliseconds.subtractingReportingOverflow(joinMilliseconds)
        let through = finding.until?.milliseconds.addingReportingOverflow(joinMilliseconds)
        try statement.bind(4, from.overflow ? .min : from.partialValue)
        try statement.bind(5, through.map { $0.overflow ? .max : $0.partialValue } ?? .max)
        try statement.bind(6, node)
        try statement.run()
    }

    /// The newest first. A body that does not decode is left out.
    /// - Parameters:
    ///   - agent: of the query's agent; nil where it is not enrolled here.
    ///   - relay: of the query's relay.
    static func find(_ query: FindingQuery, agent: AgentNumber?, relay: AgentNumber?, in database: Database) throws
        -> [(agent: AgentNumber, found: StoredFinding.Content)]
    {
        // A node's finding is open, and lasts, as long as the fleet's part of it does.
        let part =
            "EXISTS (SELECT 1 FROM finding AS part WHERE part.agent = finding.agent AND part.node = finding.node "
            + "AND part.origin = 1 AND part.joined = finding.id AND"
        let statement = try database.statement(
            """
            SELECT agent, body, origin, id, node FROM finding
            WHERE since <= ?2 AND (until IS NULL OR until >= ?1 OR \(part) (part.until IS NULL OR part.until >= ?1)))
              AND (?5 IS NULL OR (node = '' AND agent = ?3) OR node = ?5 OR substr(node, 1, length(?5) + 1) = ?5 || '/')
              AND (?6 IS NULL OR (agent = ?6 AND node <> ''))
              AND (?4 IS NULL OR (until IS NULL OR \(part) part.until IS NULL)) = ?4)
              AND joined IS NULL
            ORDER BY since DESC, agent, node, id
            """)
        defer { statement.reset() }
        try statement.bind(1, query.range.lowerBound.milliseconds)
        try statement.bind(2, query.range.upperBound.milliseconds)
        if let agent { try statement.bind(3, Int64(agent)) } else { try statement.bindNull(3) }
        if let isOpen = query.isOpen { try statement.bind(4, isOpen ? 1 : 0) } else { try statement.bindNull(4) }
        if let name = query.agent?.rawValue { try statement.bind(5, name) } else { try statement.bindNull(5) }
        if let relay { try statement.bind(6, Int64(relay)) } else { try statement.bindNull(6) }
        var found: [(agent: AgentNumber, found: StoredFinding.Content)] = []
        while found.count < query.limit, try statement.step() {
            guard let finding = try? FindingBlock.decode(statement.blob(1)).first, query.accepts(finding) else {
                continue
            }
            let number = AgentNumber(truncatingIfNeeded: statement.integer(0))
            let origin = FindingOrigin(rawValue: statement.integer(2)) ?? .node
            let fleet =
                origin == .node ? try parts(of: statement.blob(3), number, statement.text(4), in: database) : []
            found.append((number, StoredFinding.Content(finding: finding, origin: origin, fleet: fleet)))
        }
        return found
    }

    /// What the fleet found of a node's finding, the first first.
    private static func parts(
        of id: [UInt8], _ agent: AgentNumber, _ node: String, in database: Database
    ) throws -> [Finding] {
        let statement = try database.statement(
            """
            SELECT body FROM finding WHERE agent = ?1 AND node = ?3 AND joined = ?2 AND origin = 1 ORDER BY since LIMIT 8
            """)
        defer { statement.reset() }
        try statement.bind(1, Int64(agent))
        try statement.bind(2, id)
        try statement.bind(3, node)
        var parts: [Finding] = []
        while try statement.step() {
            if let part = try? FindingBlock.decode(statement.blob(0)).first { parts.append(part) }
        }
        return parts
    }

    /// What this centre found of its own agents and is open, also what is part of a node's.
    static func openOfFleet(in database: Database) throws -> [(agent: AgentNumber, finding: Finding)] {
        let statement = try database.statement(
            "SELECT agent, body FROM finding WHERE origin = 1 AND node = '' AND until IS NULL")
        defer { statement.reset() }
        var found: [(agent: AgentNumber, finding: Finding)] = []
        while try statement.step() {
            guard let finding = try? FindingBlock.decode(statement.blob(1)).first else { continue }
            found.append((AgentNumber(truncatingIfNeeded: statement.integer(0)), finding))
        }
        return found
    }

    /// Removes those that ended before `cut`, and the oldest beyond the bound.
    /// - Returns: how many of them had not been told to another aggregator.
    static func trim(before cut: Timestamp, in database: Database) throws -> Int {
        let expire = try database.statement("DELETE FROM finding WHERE since < ?1 AND coalesce(until, since) < ?1")
        try expire.bind(1, cut.milliseconds)
        try expire.run()
        try database.execute(
            """
            UPDATE finding SET joined = NULL WHERE origin = 1 AND joined IS NOT NULL
              AND NOT EXISTS (SELECT 1 FROM finding AS whole
                WHERE whole.agent = finding.agent AND whole.node = finding.node AND whole.id = finding.joined)
            """)
        let count = try database.integer("SELECT count(*) FROM finding") ?? 0
        guard count > StoreLimits.findingsMax else { return try FindingOutbox.removeOrphans(in: database) }
        let drop = try database.statement(
            """
            DELETE FROM finding WHERE (agent, node, id) IN
              (SELECT agent, node, id FROM finding ORDER BY since, agent, node, id LIMIT ?1)
            """)
        try drop.bind(1, count - StoreLimits.findingsMax)
        try drop.run()
        return try FindingOutbox.removeOrphans(in: database)
    }
}
