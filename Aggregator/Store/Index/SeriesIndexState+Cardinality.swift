import Telemetry

extension SeriesIndexState {
    func metricTypes() -> [(name: String, type: MetricType)] {
        guard let name = symbols.number(of: SeriesKey.nameLabel) else { return [] }
        var counts: [UInt32: [Int]] = [:]
        for id in ids {
            let id = SeriesID(id)
            labels(of: id) { label in
                guard label.name == name else { return }
                counts[label.value, default: Array(repeating: 0, count: MetricType.allCases.count)][type(of: id)] += 1
            }
        }
        return counts.map { value, counts in
            let most = counts.indices.max { counts[$0] < counts[$1] } ?? 0
            return (symbols[value], MetricType(rawValue: UInt8(most)) ?? .unknown)
        }.sorted { $0.name < $1.name }
    }

    func cardinality(top count: Int) -> Cardinality {
        var result = Cardinality()
        result.series = ids.count
        result.labelPairs = postings.count
        func largest(_ counts: [Cardinality.Count]) -> [Cardinality.Count] {
            Array(counts.sorted { $0.count == $1.count ? $0.name < $1.name : $0.count > $1.count }.prefix(count))
        }
        let name = symbols.number(of: SeriesKey.nameLabel)
        result.seriesByMetric = largest(
            postings.filter { $0.key.name == name }.map { (symbols[$0.key.value], $0.value.count) })
        result.valuesByLabel = largest(valuesByName.map { (symbols[$0.key], $0.value.count) })
        result.seriesByPair = largest(
            postings.map { ("\(symbols[$0.key.name])=\(symbols[$0.key.value])", $0.value.count) })
        return result
    }
}
