extension SeriesKey {
    /// Names the agent that handed a series on which it did not measure itself. Only the aggregator decides who may bear
    /// it: an agent that is enrolled as a relay.
    public static let relayLabel = "stagebox_relay"

    /// The series as a relay hands it on: all labels as they are, and the relay's name. One that came over another relay
    /// before keeps that one's name as `exported_stagebox_relay`, as Prometheus does with labels that it sets.
    public func relayed(by relay: String) -> SeriesKey {
        SeriesKey(labels: withoutRelay.labels + [Label(Self.relayLabel, relay)])
    }

    /// The series with its ``relayLabel``, if it has one, under the first name of the form `exported_…` that is free.
    public var withoutRelay: SeriesKey {
        guard let place = labels.firstIndex(where: { $0.name == Self.relayLabel }) else { return self }
        var name = "exported_\(Self.relayLabel)"
        while self[name] != nil { name = "exported_\(name)" }
        var renamed = labels
        renamed[place].name = name
        return SeriesKey(labels: renamed)
    }

    /// Whether a table can hold it: what ``SeriesLimits`` says of labels.
    public var isWithinLimits: Bool {
        labels.count <= SeriesLimits.labelCountMax
            && labels.allSatisfy {
                $0.name.utf8.count <= SeriesLimits.labelNameBytesMax
                    && $0.value.utf8.count <= SeriesLimits.labelValueBytesMax
            }
    }
}
