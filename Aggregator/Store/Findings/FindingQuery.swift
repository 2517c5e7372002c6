import SQLite
package import Telemetry

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
    package var id: ID128?
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
        (group == nil || finding.group == group) && (id == nil || finding.id == id)
            && (metric == nil || finding.contributors.contains { $0.key.name == metric })
    }
}

/// Who found it.
package enum FindingOrigin: Int64, Sendable {
    /// The node, by itself.
    case node = 0
    /// The centre, by comparing the node with its peers.
    case fleet = 1
}

/// A finding and whose it is.
package struct StoredFinding: Hashable, Sendable {
    package struct Content: Hashable, Sendable {
        package let finding: Finding
        package let origin: FindingOrigin
        /// Of a node's finding, what the fleet found of the same, the first first; at most 8.
        package let fleet: [Finding]
    }
    package let agent: AgentID
    package let content: Content

    package init(agent: AgentID, finding: Finding, origin: FindingOrigin = .node, fleet: [Finding] = []) {
        self.init(agent: agent, content: Content(finding: finding, origin: origin, fleet: fleet))
    }
    init(agent: AgentID, content: Content) {
        self.agent = agent
        self.content = content
    }

    package var finding: Finding { content.finding }
    package var origin: FindingOrigin { content.origin }
    package var fleet: [Finding] { content.fleet }
    /// nil while the finding, or a part of it, is open.
    package var until: Timestamp? {
        fleet.reduce(finding.until) { until, part in
            guard let until, let end = part.until else { return nil }
            return max(until, end)
        }
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
        }.compactMap { row in agents.name(of: row.agent).map { StoredFinding(agent: $0, content: row.found) } }
    }

    /// Keeps what the fleet found, durably. On any thread.
    /// - Throws: ``StoreError``; the same may come again. Those of agents that are not known are left out.
    package func put(fleet findings: [(agent: AgentID, finding: Finding)]) throws {
        let numbered = findings.compactMap { entry in agents.number(of: entry.agent).map { ($0, entry.finding) } }
        guard !numbered.isEmpty else { return }
        try throwing {
            try ingest.use { database in
                try database.transaction(synchronous: .full) {
                    for (agent, finding) in numbered {
                        try FindingTable.put(finding, agent, origin: .fleet, in: database)
                    }
                }
            }
        }
    }

    /// What the fleet found and is still open, as an earlier start left it.
    package func openFleetFindings() throws -> [(agent: AgentID, finding: Finding)] {
        try throwing { try ingestReaders.use { try FindingTable.openOfFleet(in: $0) } }.compactMap { row in
            agents.name(of: row.agent).map { ($0, row.finding) }
        }
    }
}
