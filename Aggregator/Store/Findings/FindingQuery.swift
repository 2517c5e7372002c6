import SQLite
package import Telemetry

/// Which findings to look for.
package struct FindingQuery: Sendable {
    /// Those that were open at some time within.
    package var range: ClosedRange<Timestamp>
    /// Of the node of that name, enrolled here or in a region.
    package var agent: AgentID?
    /// Those that this relay handed on.
    package var relay: AgentID?
    /// nil: open and closed ones.
    package var isOpen: Bool?
    package var group: String?
    /// A metric's name among the contributors.
    package var metric: String?
    package var id: ID128?
    /// The newest so many.
    package var limit: Int

    package init(
        range: ClosedRange<Timestamp>, agent: AgentID? = nil, relay: AgentID? = nil, isOpen: Bool? = nil,
        group: String? = nil, metric: String? = nil, limit: Int = 1000
    ) {
        self.range = range
        self.agent = agent
        self.relay = relay
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
    /// Who sent it: the node itself, or the relay that handed it on.
    package let sender: AgentID
    /// Of the node as its enrolment says, else of the relay; may be empty.
    package let region: String
    package let content: Content

    package init(
        agent: AgentID, finding: Finding, origin: FindingOrigin = .node, fleet: [Finding] = [], region: String = ""
    ) {
        self.init(
            sender: agent, region: region, content: Content(finding: finding, origin: origin, fleet: fleet))
    }
    init(sender: AgentID, region: String, content: Content) {
        self.sender = sender
        self.region = region
        self.content = content
    }

    /// The node that it is about, by the name that it has where it is enrolled.
    package var agent: AgentID { finding.source?.node ?? sender }
    /// nil: the node is enrolled here.
    package var relay: AgentID? { finding.source == nil ? nil : sender }

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
        let relay = query.relay.map { agents.number(of: $0) }
        if case .some(nil) = relay { return [] }
        let found = try throwing {
            try ingestReaders.use {
                try FindingTable.find(
                    query, agent: query.agent.flatMap(agents.number), relay: relay.flatMap { $0 }, in: $0)
            }
        }
        var regions: [AgentID: String] = [:]
        return found.compactMap { row in
            guard let sender = agents.name(of: row.agent) else { return nil }
            let region = row.found.finding.source?.region ?? ""
            if region.isEmpty, regions[sender] == nil { regions[sender] = self.region(of: sender) }
            return StoredFinding(
                sender: sender, region: region.isEmpty ? regions[sender] ?? "" : region, content: row.found)
        }
    }

    /// As the agent's enrolment says; may be empty.
    func region(of agent: AgentID) -> String {
        allLabels(of: agent).labels.first { $0.name == "region" }?.value ?? ""
    }

    /// Keeps what the fleet found, durably. On any thread.
    /// - Throws: ``StoreError``; the same may come again. Those of agents that are not known are left out.
    package func put(fleet findings: [(agent: AgentID, finding: Finding)]) throws {
        let numbered = findings.compactMap { entry in agents.number(of: entry.agent).map { ($0, entry.finding) } }
        guard !numbered.isEmpty else { return }
        let isForwarded = handsOn(.findings)
        try throwing {
            try ingest.use { database in
                try database.transaction(synchronous: .full) {
                    for (agent, finding) in numbered {
                        try FindingTable.put(
                            finding, agent, origin: .fleet, isForwarded: isForwarded, in: database)
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
