import SQLite
package import Telemetry
package import WireFormat

/// A command as the administrator sees it.
package struct CommandEntry: Hashable, Sendable {
    package var id: ID128
    package var agent: AgentID
    package var verb: String
    package var argument: String
    package var sentAt: Timestamp
    package var notAfter: Timestamp
    /// nil: not answered yet.
    package var result: CommandResult?
}

extension AccessStore {
    /// Durable when it returns. The tenant's oldest beyond ``AccessLimits/commandsPerTenantMax`` go.
    package func keep(_ command: Command, for agent: AgentID, of tenant: TenantID, now: Timestamp) throws {
        try write { database in
            try Self.requireTenant(tenant, database)
            let insert = try database.statement(
                """
                INSERT INTO commands(id, tenant, agent, verb, argument, sent_at, not_after)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO NOTHING
                """)
            try insert.bind(1, command.id.bytes)
            try insert.bind(2, tenant.rawValue)
            try insert.bind(3, agent.rawValue)
            try insert.bind(4, command.verb)
            try insert.bind(5, command.argument)
            try insert.bind(6, now.milliseconds)
            try insert.bind(7, command.notAfter.milliseconds)
            try insert.run()
            guard database.changes > 0 else { throw AccessError(.exists, "command \(command.id) was sent already") }
            let trim = try database.statement(
                """
                DELETE FROM commands WHERE id IN (
                    SELECT id FROM commands WHERE tenant = ?1 ORDER BY sent_at DESC LIMIT -1 OFFSET ?2)
                """)
            try trim.bind(1, tenant.rawValue)
            try trim.bind(2, AccessLimits.commandsPerTenantMax)
            try trim.run()
        }
    }

    /// Keeps what became of a command. The first final answer stands: a repeated message changes nothing.
    package func keep(_ result: CommandResult, of agent: AgentID, in tenant: TenantID) throws {
        try write { database in
            let update = try database.statement(
                """
                UPDATE commands SET outcome = ?4, text = ?5, answered_at = ?6
                WHERE id = ?1 AND tenant = ?2 AND agent = ?3 AND (outcome IS NULL OR outcome = 'begun')
                """)
            try update.bind(1, result.id.bytes)
            try update.bind(2, tenant.rawValue)
            try update.bind(3, agent.rawValue)
            try update.bind(4, result.outcome.name)
            try update.bind(5, result.text)
            try update.bind(6, result.at.milliseconds)
            try update.run()
        }
    }

    /// Newest first.
    package func commands(of tenant: TenantID, agent: AgentID? = nil, limit: Int = 100) throws -> [CommandEntry] {
        try read { database in
            let rows = try database.statement(
                """
                SELECT id, agent, verb, argument, sent_at, not_after, outcome, text, answered_at FROM commands
                WHERE tenant = ?1 AND (?2 IS NULL OR agent = ?2) ORDER BY sent_at DESC, id LIMIT ?3
                """)
            try rows.bind(1, tenant.rawValue)
            try rows.bind(2, optional: agent?.rawValue)
            try rows.bind(3, limit)
            var entries: [CommandEntry] = []
            while try rows.step() {
                guard let id = ID128(bytes: rows.blob(0)), let agent = AgentID(rawValue: rows.text(1)) else { continue }
                let outcome = rows.isNull(6) ? nil : CommandResult.Outcome.allCases.first { $0.name == rows.text(6) }
                entries.append(
                    CommandEntry(
                        id: id, agent: agent, verb: rows.text(2), argument: rows.text(3),
                        sentAt: Timestamp(milliseconds: rows.integer(4)),
                        notAfter: Timestamp(milliseconds: rows.integer(5)),
                        result: outcome.map {
                            CommandResult(
                                id: id, outcome: $0, text: rows.text(7), at: Timestamp(milliseconds: rows.integer(8)))
                        }))
            }
            return entries
        }
    }
}
