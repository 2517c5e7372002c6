import Telemetry

extension SeriesIndexState {
    /// Of those that are there.
    func places(of chosen: [SeriesID]) -> [SeriesIndex.Place] {
        var places: [SeriesIndex.Place] = []
        places.reserveCapacity(chosen.count)
        for id in chosen {
            guard let position = Self.position(of: id.rawValue, in: ids) else { continue }
            places.append(
                SeriesIndex.Place(
                    id: id, agent: agents[position], isShared: !sharers.isEmpty && sharers[id.rawValue] != nil))
        }
        return places
    }

    /// The labels of series; of some names only, or all.
    func keys(_ chosen: [SeriesID], keeping names: [String]?) -> [SeriesKey] {
        guard let names else { return chosen.map { key($0) } }
        let kept = names.compactMap { symbols.number(of: $0) }
        var keys: [SeriesKey] = []
        keys.reserveCapacity(chosen.count)
        var known = KnownKeys()
        var labels: [PackedLabel] = []
        for id in chosen {
            labels.removeAll(keepingCapacity: true)
            if let position = Self.position(of: id.rawValue, in: ids) {
                for index in span(position) where kept.contains(packed[index].name) { labels.append(packed[index]) }
            }
            keys.append(
                known.key(labels) {
                    SeriesKey(canonical: labels.map { Label(symbols[$0.name], symbols[$0.value]) })
                })
        }
        return keys
    }
}

/// Keys that were made already, so that series with equal labels share them. As long as few are equal, it does not look.
private struct KnownKeys {
    private static let trial = 64
    private var before: (labels: [PackedLabel], key: SeriesKey)?
    private var keys: [[PackedLabel]: SeriesKey] = [:]
    private var asked = 0

    mutating func key(_ labels: [PackedLabel], _ make: () -> SeriesKey) -> SeriesKey {
        if let before, before.labels == labels { return before.key }
        asked += 1
        let isWorthwhile = asked < Self.trial || keys.count < asked / 2
        let key = (isWorthwhile ? keys[labels] : nil) ?? make()
        if isWorthwhile { keys[labels] = key }
        before = (labels, key)
        return key
    }
}
