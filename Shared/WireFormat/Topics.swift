public import Telemetry

/// Where a batch is delivered. Aged live rows go to `backfill`; their header keeps the origin lane.
public enum BatchRoute: String, Sendable, CaseIterable {
    case alert, live, backfill
}

/// A topic that agents publish to, as the aggregator reads it.
public enum UpTopic: Hashable, Sendable {
    case birth
    case batch(BatchRoute)
    case state
    case result

    /// The levels after `up/`.
    public var suffix: String {
        switch self {
        case .birth: "birth"
        case .batch(let route): "batch/" + route.rawValue
        case .state: "state"
        case .result: "result"
        }
    }
}

/// A topic that the aggregator publishes to, as an agent reads it.
public enum DownTopic: Hashable, Sendable {
    case acknowledgement
    case configuration
    case groupConfiguration(GroupName)
    case command
    case keys
}

/// The topics of protocol version 1: `stagebox/1/{tenant}/{agent}/up|down/…`.
public enum Topics {
    public static let prefix = "stagebox/1"
    /// No topic of the protocol is longer, in bytes.
    public static let lengthMax = 256

    public static let keys = "\(prefix)/_fleet/keys"
    /// What an aggregator subscribes to with QoS 1.
    public static let aggregatorFilters = [
        "\(prefix)/+/+/up/birth", "\(prefix)/+/+/up/state", "\(prefix)/+/+/up/result",
    ]
    /// What an aggregator subscribes to with QoS 0: agents send again what no signed acknowledgement names, so that
    /// the broker's own repeating adds nothing, and its PUBACK for each batch costs what a batch costs.
    public static let aggregatorBatchFilters = ["\(prefix)/+/+/up/batch/+"]

    public static func groupConfiguration(_ tenant: TenantID, _ group: GroupName) -> String {
        "\(prefix)/\(tenant.rawValue)/_group/\(group.rawValue)/down/config"
    }

    /// Who sent a message up, and what.
    /// - Returns: nil for any text that is not such a topic, names outside the grammar included.
    /// - Complexity: O(length), bounded by ``lengthMax``.
    public static func parseUp(_ topic: String) -> (tenant: TenantID, agent: AgentID, topic: UpTopic)? {
        guard let levels = levels(topic), levels.count >= 6, levels[4] == "up",
            let tenant = TenantID(rawValue: String(levels[2])), let agent = AgentID(rawValue: String(levels[3]))
        else { return nil }
        let kind: UpTopic
        switch (levels.count, levels[5]) {
        case (6, "birth"): kind = .birth
        case (6, "state"): kind = .state
        case (6, "result"): kind = .result
        case (7, "batch"):
            guard let route = BatchRoute(rawValue: String(levels[6])) else { return nil }
            kind = .batch(route)
        default: return nil
        }
        return (tenant, agent, kind)
    }

    static func levels(_ topic: String) -> [Substring]? {
        guard topic.utf8.count <= lengthMax else { return nil }
        // Bytes, not characters: every message comes through here, twice.
        let levels = topic.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { Substring($0) }
        guard levels.count >= 3, levels[0] == "stagebox", levels[1] == "1" else { return nil }
        return levels
    }
}

/// One agent's topics, built once.
public struct AgentTopics: Hashable, Sendable {
    public let tenant: TenantID
    public let agent: AgentID
    public let groups: [GroupName]
    private let up: String
    private let down: String

    public init(tenant: TenantID, agent: AgentID, groups: [GroupName] = []) {
        self.tenant = tenant
        self.agent = agent
        self.groups = groups
        up = "\(Topics.prefix)/\(tenant.rawValue)/\(agent.rawValue)/up/"
        down = "\(Topics.prefix)/\(tenant.rawValue)/\(agent.rawValue)/down/"
    }

    public var acknowledgement: String { down + "ack" }
    public var configuration: String { down + "config" }
    public var command: String { down + "command" }
    public func up(_ topic: UpTopic) -> String { up + topic.suffix }

    /// What the agent subscribes to after each connection.
    public var subscriptions: [String] {
        [acknowledgement, configuration, command, Topics.keys]
            + groups.map { Topics.groupConfiguration(tenant, $0) }
    }

    /// - Returns: nil for a topic that is not meant for this agent, whatever the broker says.
    public func parseDown(_ topic: String) -> DownTopic? {
        if topic == Topics.keys { return .keys }
        if topic.hasPrefix(down) {
            switch topic.dropFirst(down.count) {
            case "ack": return .acknowledgement
            case "config": return .configuration
            case "command": return .command
            default: return nil
            }
        }
        return groups.first { topic == Topics.groupConfiguration(tenant, $0) }.map { .groupConfiguration($0) }
    }
}
