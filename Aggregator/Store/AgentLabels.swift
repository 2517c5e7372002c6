package import Telemetry

/// What an agent's enrolment says of its series.
///
/// An agent's own series get all labels, which win over equal names. A relay's series that bear
/// `SeriesKey.relayLabel` are those that it handed on: they keep their labels, `instance` and `job` among them, and get
/// `region` and `site` where they have none. The relay's name tells them from everybody's own series, so that no relay
/// adds to what another agent sends, whatever the labels say; from agents that are no relay the label is not taken.
package struct AgentLabels: Sendable, ExpressibleByArrayLiteral {
    package var labels: [Label]
    package var isRelay: Bool

    /// Empty: the series are taken as they are.
    package init(_ labels: [Label], isRelay: Bool = false) {
        self.labels = labels
        self.isRelay = isRelay
    }
    package init(arrayLiteral labels: Label...) { self.init(labels) }

    static let instance = "instance"
    /// What a relay's enrolment adds to series that it hands on.
    static let filledIn: Set<String> = ["region", "site"]

    /// With the agent's name, which no enrolment changes.
    func named(_ agent: AgentID) -> AgentLabels {
        let others = labels.filter { $0.name != Self.instance }
        return AgentLabels([Label(Self.instance, agent.rawValue)] + others, isRelay: isRelay)
    }

    /// The series that the agent's series is here.
    func key(of key: SeriesKey) -> SeriesKey {
        guard !labels.isEmpty else { return key }
        guard key[SeriesKey.relayLabel] != nil else { return SeriesKey(labels: labels + key.labels) }
        guard isRelay, let relay = labels.first(where: { $0.name == Self.instance })?.value else {
            return SeriesKey(labels: labels + key.withoutRelay.labels)
        }
        // The certificate's word, not the table's, says who hands on.
        let own = key.labels.map { $0.name == SeriesKey.relayLabel ? Label($0.name, relay) : $0 }
        return SeriesKey(labels: own + labels.filter { Self.filledIn.contains($0.name) })
    }
}
