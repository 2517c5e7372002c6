package import Detection
import Store
package import Telemetry

/// Which node a series belongs to, and which of the node's features it is part of.
///
/// A feature is what nodes are compared by: the series of one metric with equal labels, apart from those that say whose
/// they are and those that number the node's parts (``parts``). Parts are added up, processors averaged, since nodes
/// differ in how many they have.
///
/// Bounds: ``nodesMax``, ``featuresMax``; what is beyond takes no part and is counted. Memory: some 60 B per series.
package struct FleetCatalog {
    package static let nodesMax = 5_000
    package static let featuresMax = 2_000
    /// A node not heard of for so long gives its place to a new one; a series is forgotten.
    static let idleMilliseconds: Int64 = 86_400_000
    private static let owners: Set<String> = ["instance", "job", "region", "site"]
    private static let parts: Set<String> = ["cpu", "core", "device", "interface", "mountpoint", "fstype"]
    private static let averaged: Set<String> = ["cpu", "core"]
    /// What is no quantity of its own.
    private static let uncompared: Set<String> = ["le", "quantile"]

    /// The peers of a node: who does the same in the same place.
    package struct PeerName: Hashable, Sendable {
        package var job: String
        package var region: String
    }
    package struct Node: Sendable {
        package var agent: AgentID
        package var peers: PeerName
        package var lastSeenAt: Int64
    }
    package struct Feature: Sendable {
        package let key: SeriesKey
        package let group: MetricGroup
    }
    struct Member {
        /// -1: none, for it is not compared.
        var node: Int32
        var feature: Int32
        var metric: Int32
        var isCounter: Bool
        var isAveraged: Bool
        /// Of a counter, the last sample seen; its time else.
        var lastTime: Int64
        var lastValue: Double
    }

    package private(set) var nodes: [Node] = []
    package private(set) var features: [Feature] = []
    /// Names of watched metrics, for their rates.
    package private(set) var metrics: [String] = []
    package private(set) var refusedCount = 0
    /// Places that were given to another node since they were last asked for.
    private var replaced: [Int] = []
    private var nodeNumbers: [AgentID: Int] = [:]
    private var featureNumbers: [SeriesKey: Int] = [:]
    private var metricNumbers: [String: Int] = [:]
    var members: [UInt32: Member] = [:]

    package init() {}

    /// What an earlier start knew, in its order.
    init(_ model: PeerModel, at time: Int64) {
        for name in model.metrics.prefix(Self.featuresMax) {
            let key = SeriesKey(modelName: name)
            features.append(Feature(key: key, group: MetricGroup(name: key.name) ?? .metric))
            featureNumbers[key] = features.count - 1
        }
        for set in model.sets {
            for name in set.nodes where nodes.count < Self.nodesMax {
                guard let agent = AgentID(rawValue: name), nodeNumbers[agent] == nil else { continue }
                nodes.append(Node(agent: agent, peers: PeerName(job: set.job, region: set.region), lastSeenAt: time))
                nodeNumbers[agent] = nodes.count - 1
            }
        }
    }

    func number(of agent: AgentID) -> Int? { nodeNumbers[agent] }

    mutating func takeReplaced() -> [Int] {
        defer { replaced = [] }
        return replaced
    }

    /// - Returns: nil for a series that is not watched; it is asked for again each minute, which costs its name only.
    mutating func member(_ place: SeriesIndex.Place, in store: TenantStore, at time: Int64) -> Member? {
        if let known = members[place.id.rawValue] { return known }
        guard let agent = store.agent(place.agent), let entry = store.index.entry(place.id) else { return nil }
        let key = entry.descriptor.key
        var member = Member(
            node: -1, feature: -1, metric: -1, isCounter: Self.isCounter(entry.descriptor), isAveraged: false,
            lastTime: time, lastValue: .nan)
        // What a relay hands on is compared where it was measured: here it would count as the relay's own.
        if key[SeriesKey.relayLabel] == nil, let group = MetricGroup(name: key.name), entry.descriptor.type != .info {
            member.node = Int32(node(agent, key, at: time) ?? -1)
            member.metric = Int32(metric(key.name) ?? -1)
            member.feature = Int32(feature(key, group) ?? -1)
            member.isAveraged = key.labels.contains { Self.averaged.contains($0.name) }
        }
        members[place.id.rawValue] = member
        return member
    }

    mutating func noteSeen(_ node: Int, at time: Int64) { nodes[node].lastSeenAt = max(nodes[node].lastSeenAt, time) }

    /// Forgets series without samples for long.
    mutating func forget(before time: Int64) { members = members.filter { $0.value.lastTime >= time } }

    private mutating func node(_ agent: AgentID, _ key: SeriesKey, at time: Int64) -> Int? {
        let peers = PeerName(job: key["job"] ?? "", region: key["region"] ?? "")
        if let known = nodeNumbers[agent] {
            // A new certificate may have moved it.
            if nodes[known].peers != peers, time > nodes[known].lastSeenAt {
                nodes[known].peers = peers
                replaced.append(known)
            }
            return known
        }
        let node = Node(agent: agent, peers: peers, lastSeenAt: time)
        if nodes.count < Self.nodesMax {
            nodes.append(node)
            nodeNumbers[agent] = nodes.count - 1
            return nodes.count - 1
        }
        guard let idle = nodes.firstIndex(where: { time - $0.lastSeenAt > Self.idleMilliseconds }) else {
            refusedCount += 1
            return nil
        }
        nodeNumbers[nodes[idle].agent] = nil
        nodeNumbers[agent] = idle
        members = members.filter { $0.value.node != Int32(idle) }
        nodes[idle] = node
        replaced.append(idle)
        return idle
    }

    private mutating func metric(_ name: String) -> Int? {
        if let known = metricNumbers[name] { return known }
        guard metrics.count < Self.featuresMax else {
            refusedCount += 1
            return nil
        }
        metrics.append(name)
        metricNumbers[name] = metrics.count - 1
        return metrics.count - 1
    }

    private mutating func feature(_ key: SeriesKey, _ group: MetricGroup) -> Int? {
        guard !key.labels.contains(where: { Self.uncompared.contains($0.name) }) else { return nil }
        let kept = SeriesKey(
            canonical: key.labels.filter { !Self.owners.contains($0.name) && !Self.parts.contains($0.name) })
        if let known = featureNumbers[kept] { return known }
        guard features.count < Self.featuresMax else {
            refusedCount += 1
            return nil
        }
        features.append(Feature(key: kept, group: group))
        featureNumbers[kept] = features.count - 1
        return features.count - 1
    }

    private static func isCounter(_ descriptor: SeriesDescriptor) -> Bool {
        switch descriptor.type {
        case .counter, .histogram, .summary: true
        case .unknown: ["_total", "_count", "_sum"].contains { descriptor.key.name.hasSuffix($0) }
        case .gauge, .info, .stateset: false
        }
    }
}
