import SQLite
import Telemetry
import WireFormat

/// What is to be told of findings to another aggregator, in `ingest.sqlite`, so that a change and the note of it are one
/// transaction:
///
///     finding_out(change, agent, node, id)   change: grows, never given twice; a finding has one row at most
///
/// A finding that changes again before it was told moves to the end, so the newest of it is told once. The rows are
/// bounded by the findings kept.
enum FindingOutbox {
    static let migration = Migration(
        """
        CREATE TABLE finding_out(change INTEGER PRIMARY KEY AUTOINCREMENT, agent INTEGER NOT NULL, node TEXT NOT NULL,
          id BLOB NOT NULL, UNIQUE(agent, node, id)) STRICT;
        """)

    struct Entry {
        let change: Int64
        let agent: AgentNumber
        let origin: FindingOrigin
        /// nil: its finding has left the store, or does not decode.
        let finding: Finding?
    }

    static func add(_ agent: AgentNumber, _ node: String, _ id: ID128, in database: Database) throws {
        let statement = try database.statement(
            "INSERT OR REPLACE INTO finding_out(agent, node, id) VALUES (?1, ?2, ?3)")
        try statement.bind(1, Int64(agent))
        try statement.bind(2, node)
        try statement.bind(3, id.bytes)
        try statement.run()
    }

    /// What is open when telling begins, by its beginning.
    static func addOpen(in database: Database) throws {
        try database.execute(
            """
            INSERT OR REPLACE INTO finding_out(agent, node, id)
              SELECT agent, node, id FROM finding WHERE until IS NULL ORDER BY since, agent, node, id
            """)
    }

    /// The first so many, in the order of their last changes.
    static func first(_ limit: Int, in database: Database) throws -> [Entry] {
        let statement = try database.statement(
            """
            SELECT finding_out.change, finding_out.agent, finding.origin, finding.body FROM finding_out
              LEFT JOIN finding USING (agent, node, id) ORDER BY finding_out.change LIMIT ?1
            """)
        defer { statement.reset() }
        try statement.bind(1, Int64(limit))
        var entries: [Entry] = []
        while try statement.step() {
            let finding = statement.isNull(3) ? nil : try? FindingBlock.decode(statement.blob(3)).first
            entries.append(
                Entry(
                    change: statement.integer(0), agent: AgentNumber(truncatingIfNeeded: statement.integer(1)),
                    origin: FindingOrigin(rawValue: statement.integer(2)) ?? .node, finding: finding))
        }
        return entries
    }

    /// Forgets what was told. A finding that changed meanwhile has a later row.
    static func remove(through change: Int64, in database: Database) throws {
        let statement = try database.statement("DELETE FROM finding_out WHERE change <= ?1")
        try statement.bind(1, change)
        try statement.run()
    }

    /// Forgets those that have left the store.
    /// - Returns: how many they were.
    static func removeOrphans(in database: Database) throws -> Int {
        try database.execute(
            """
            DELETE FROM finding_out WHERE NOT EXISTS (SELECT 1 FROM finding WHERE finding.agent = finding_out.agent
              AND finding.node = finding_out.node AND finding.id = finding_out.id)
            """)
        return Int(database.changes)
    }

    static func removeAll(in database: Database) throws { try database.execute("DELETE FROM finding_out") }

    static func count(in database: Database) throws -> Int64 {
        try database.integer("SELECT count(*) FROM finding_out") ?? 0
    }
}
