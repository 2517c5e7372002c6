package import Sources
package import Telemetry

extension SampleAccumulator {
    /// Of one series in one block.
    package static let relayedRunMax = 8192

    /// What ``relayedColumns(of:)`` made.
    package struct Relayed: Sendable {
        /// Each a row's, or more: those of one series ascend from one to the next.
        package var batches: [MetricBatch]
        /// Samples of series that have no number.
        package var refusedCount: Int
    }

    /// What a relay hands on as columns of its own: series with the same times share a group, long runs are cut.
    ///
    /// A series beyond the registry's room is left out and counted, since room may be long in coming and the others
    /// should not wait for it.
    package mutating func relayedColumns(of series: [RelayedSeries]) -> Relayed {
        var relayed = Relayed(batches: [], refusedCount: 0)
        var numbered: [(number: UInt32, place: Int)] = []
        numbered.reserveCapacity(series.count)
        for (place, entry) in series.enumerated() {
            if let number = use(entry.descriptor) {
                numbered.append((number, place))
            } else {
                relayed.refusedCount += entry.values.count
            }
        }
        refuse(.series, relayed.refusedCount)
        numbered.sort { $0.number < $1.number }
        var first = 0
        while !numbered.isEmpty {
            relayed.batches.append(Self.batch(of: numbered, series, from: first))
            first += Self.relayedRunMax
            numbered.removeAll { series[$0.place].values.count <= first }
        }
        return relayed
    }

    /// The runs that begin at sample `first` of their series.
    private static func batch(
        of numbered: [(number: UInt32, place: Int)], _ series: [RelayedSeries], from first: Int
    ) -> MetricBatch {
        var places: [ArraySlice<Int64>: Int] = [:]
        var batch = MetricBatch()
        for (number, place) in numbered {
            let end = min(series[place].values.count, first + relayedRunMax)
            let times = series[place].timestamps[first..<end]
            let group = places[times] ?? batch.groups.count
            if group == batch.groups.count {
                places[times] = group
                batch.groups.append(MetricBatch.Group(timestamps: Array(times), series: [], values: []))
            }
            batch.groups[group].series.append(number)
            batch.groups[group].values.append(contentsOf: series[place].values[first..<end])
        }
        return batch
    }
}
