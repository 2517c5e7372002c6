import Detection
package import Telemetry

/// Compares the nodes of one tenant with their peers, minute by minute, and says once when one is strange among them.
///
/// Peers are the nodes with the same job and region, of which at least ``PeerComparison/peersMin`` must have the metric.
/// A node's metrics are gathered by group, as on the node; how strong a group's deviations are decides, see
/// ``PeerComparison/strength(of:)`` and ``StrangeMinutes``. No I/O; deterministic but for the ids.
package struct FleetJudge {
    private struct Peers {
        var comparison = PeerComparison(metrics: 0)
        /// Nodes of the catalogue, in the order of the comparison's.
        var nodes: [Int] = []
        var numbers: [Int: Int] = [:]
    }
    private struct Watch {
        var minutes = StrangeMinutes()
        var finding: Finding?
        var lastStrangeAt: Int64 = 0
    }
    package struct Report: Sendable {
        package let agent: AgentID
        package let finding: Finding
    }

    private var peers: [FleetCatalog.PeerName: Peers] = [:]
    private var watches: [Int: [MetricGroup: Watch]] = [:]
    /// Findings that an earlier start left open, until their node is seen.
    private var adopted: [AgentID: [Finding]] = [:]
    private let makeID: () -> ID128

    package init(adopting open: [(agent: AgentID, finding: Finding)] = [], makeID: @escaping () -> ID128) {
        self.makeID = makeID
        for entry in open { adopted[entry.agent, default: []].append(entry.finding) }
    }

    /// Puts back what was learnt before a restart, for the nodes of a catalogue that was made from the same model.
    mutating func restore(_ model: PeerModel, _ catalog: FleetCatalog) {
        guard catalog.features.count == model.metrics.count else { return }
        for set in model.sets {
            var group = Peers()
            group.comparison = set.comparison
            // A node that is not among the catalogue's keeps its place here, empty.
            for (place, name) in set.nodes.enumerated() {
                let number = AgentID(rawValue: name).flatMap(catalog.number)
                let isOurs = number.map { catalog.nodes[$0].peers == .init(job: set.job, region: set.region) } ?? false
                group.nodes.append(isOurs ? number ?? -1 : -1)
                if isOurs, let number { group.numbers[number] = place }
            }
            peers[FleetCatalog.PeerName(job: set.job, region: set.region)] = group
            for number in group.numbers.keys.sorted() { adopt(number, catalog.nodes[number].agent) }
        }
    }

    /// What is learnt, to be kept.
    func model(_ catalog: FleetCatalog) -> PeerModel {
        let sets = peers.map { name, group in
            var comparison = group.comparison
            comparison.widen(to: catalog.features.count)
            let nodes = group.nodes.map { number in
                number >= 0 && catalog.nodes[number].peers == name ? catalog.nodes[number].agent.rawValue : ""
            }
            return PeerModel.Set(job: name.job, region: name.region, nodes: nodes, comparison: comparison)
        }
        return PeerModel(metrics: catalog.features.map(\.key.modelName), sets: sets)
    }

    package var openFindings: [Finding] { watches.values.flatMap { $0.values.compactMap(\.finding) } }

    /// - Parameter end: of the minute, milliseconds.
    /// - Returns: findings that opened or closed.
    package mutating func observe(_ rows: [[Float]], ending end: Int64, _ catalog: inout FleetCatalog) -> [Report] {
        var reports: [Report] = []
        for node in catalog.takeReplaced() { reports += leave(node, end, catalog) }
        for (number, node) in catalog.nodes.enumerated() where peers[node.peers]?.numbers[number] == nil {
            peers[node.peers, default: Peers()].numbers[number] = peers[node.peers]?.nodes.count ?? 0
            peers[node.peers]?.nodes.append(number)
            peers[node.peers]?.comparison.addNode()
            adopt(number, node.agent)
        }
        for name in peers.keys.sorted(by: { ($0.job, $0.region) < ($1.job, $1.region) }) {
            guard var group = peers.removeValue(forKey: name) else { continue }
            group.comparison.widen(to: catalog.features.count)
            let deviations = group.comparison.observe(
                group.nodes.map { node in
                    // One that moved to other peers keeps its place here, empty.
                    node >= 0 && node < rows.count && catalog.nodes[node].peers == name ? rows[node] : []
                })
            for (place, node) in group.nodes.enumerated() where node >= 0 && catalog.nodes[node].peers == name {
                let isHeard = node < rows.count && rows[node].contains(where: \.isFinite)
                reports += look(node, deviations[place], isHeard: isHeard, end, catalog)
            }
            peers[name] = group
        }
        return reports
    }

    /// Nobody knows any more what was usual for the node; what is open of it ends.
    private mutating func leave(_ node: Int, _ end: Int64, _ catalog: FleetCatalog) -> [Report] {
        for name in peers.keys {
            guard let place = peers[name]?.numbers[node] else { continue }
            peers[name]?.comparison.resetNode(place)
        }
        let open = watches.removeValue(forKey: node)?.values.compactMap(\.finding) ?? []
        return open.map { finding in
            var finding = finding
            finding.until = Timestamp(milliseconds: max(finding.since.milliseconds, end))
            return Report(agent: catalog.nodes[node].agent, finding: finding)
        }
    }

    private mutating func adopt(_ node: Int, _ agent: AgentID) {
        for finding in adopted.removeValue(forKey: agent) ?? [] {
            guard let group = MetricGroup(rawValue: finding.group) else { continue }
            watches[node, default: [:]][group] = Watch(
                minutes: StrangeMinutes(isOpen: true), finding: finding, lastStrangeAt: finding.peakAt.milliseconds)
        }
    }

    private mutating func look(
        _ node: Int, _ deviations: [Float], isHeard: Bool, _ end: Int64, _ catalog: FleetCatalog
    ) -> [Report] {
        var judged: [MetricGroup: [Float]] = [:]
        for (metric, deviation) in deviations.enumerated() where !deviation.isNaN {
            judged[catalog.features[metric].group, default: []].append(deviation)
        }
        var reports: [Report] = []
        for group in MetricGroup.allCases {
            let strength = judged[group].flatMap { PeerComparison.strength(of: $0) }
            // Most groups of most nodes are calm: nothing is kept of them.
            if watches[node]?[group] == nil, (strength ?? 0) < StrangeMinutes.calm { continue }
            var watch = watches[node]?[group] ?? Watch()
            let change = watch.minutes.observe(strength, isHeard: isHeard)
            if let strength, strength >= StrangeMinutes.threshold {
                note(strength, group, deviations, end, &watch, catalog)
            }
            switch change {
            case .opened?:
                let since = end - Int64(watch.minutes.firstStrange + 1) * 60_000
                var finding = Finding(
                    id: makeID(), group: group.rawValue, since: Timestamp(milliseconds: since), score: 0,
                    peakAt: Timestamp(milliseconds: end), anomalousCount: UInt32(StrangeMinutes.openCount))
                Self.explain(&finding, strength ?? 0, group, deviations, end, catalog)
                watch.finding = finding
                reports.append(Report(agent: catalog.nodes[node].agent, finding: finding))
            case .closed?:
                if var finding = watch.finding {
                    finding.until = Timestamp(
                        milliseconds: max(finding.since.milliseconds, watch.lastStrangeAt))
                    reports.append(Report(agent: catalog.nodes[node].agent, finding: finding))
                }
                watch.finding = nil
            case nil: break
            }
            watches[node, default: [:]][group] = watch.minutes.isAtRest ? nil : watch
        }
        return reports
    }

    private func note(
        _ strength: Float, _ group: MetricGroup, _ deviations: [Float], _ end: Int64, _ watch: inout Watch,
        _ catalog: FleetCatalog
    ) {
        watch.lastStrangeAt = end
        guard var finding = watch.finding else { return }
        finding.anomalousCount &+= 1
        if Self.score(strength) > finding.score { Self.explain(&finding, strength, group, deviations, end, catalog) }
        watch.finding = finding
    }

    /// 0.5 at the threshold.
    private static func score(_ strength: Float) -> Double {
        let square = Double(strength * strength)
        return square / (Double(StrangeMinutes.threshold * StrangeMinutes.threshold) + square)
    }

    /// Deviation from which a metric is said to contribute.
    private static let contributing: Float = 2

    /// How strange, and by which metrics most.
    private static func explain(
        _ finding: inout Finding, _ strength: Float, _ group: MetricGroup, _ deviations: [Float], _ end: Int64,
        _ catalog: FleetCatalog
    ) {
        finding.score = score(strength)
        finding.peakAt = Timestamp(milliseconds: end)
        let parts = deviations.enumerated().filter {
            $0.element.magnitude >= Self.contributing && catalog.features[$0.offset].group == group
        }.sorted { (abs($1.element), $0.offset) < (abs($0.element), $1.offset) }.prefix(Finding.contributorsMax)
        let sum = parts.reduce(0) { $0 + Double(abs($1.element)) }
        finding.contributors = parts.map {
            Finding.Contributor(key: catalog.features[$0.offset].key, share: Double(abs($0.element)) / sum)
        }
    }
}
