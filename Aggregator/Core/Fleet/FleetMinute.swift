package import Detection
package import Store
import Telemetry

/// What one tenant's agents measured in one minute, as the fleet is judged by it: the features of each node, and how many
/// samples were anomalous.
package struct FleetMinute {
    /// Series that one minute looks at; further ones are left out.
    package static let seriesMax = 1_000_000
    /// A counter's sample of before the minute is used up to this age, milliseconds.
    static let counterGapMax: Int64 = 180_000

    /// By node of the catalogue its features, NaN where it has none.
    package private(set) var rows: [[Float]] = []
    /// Samples and anomalous ones, of metrics that agents watch.
    package private(set) var byPeers: [FleetCatalog.PeerName: RateRise.Count] = [:]
    /// By metric of the catalogue.
    package private(set) var byMetric: [RateRise.Count] = []
    package private(set) var seriesCount = 0
    package private(set) var leftOutCount = 0
    /// Nodes with a sample in the minute.
    package private(set) var nodeCount = 0

    private struct Sum {
        var value = 0.0
        var count = 0
        var isAveraged = false
        var result: Float { count == 0 ? .nan : Float(isAveraged ? value / Double(count) : value) }
    }

    /// Reads a minute.
    /// - Parameter end: not included, milliseconds.
    /// - Complexity: O(series + samples); some 2 µs for each series of 60 samples that the head holds decoded.
    package init(of store: TenantStore, ending end: Int64, _ catalog: inout FleetCatalog) throws {
        let range = Timestamp(milliseconds: end - 60_000)...Timestamp(milliseconds: end - 1)
        var places = store.index.places(of: store.index.select([], in: range)).filter(store.hasAnomalyBits)
        if places.count > Self.seriesMax {
            leftOutCount = places.count - Self.seriesMax
            places.removeLast(leftOutCount)
        }
        var reader = store.scope(in: range).reader()
        var sums: [[Sum]] = []
        var counts: [RateRise.Count] = []
        for place in places {
            guard let member = catalog.member(place, in: store, at: end - 60_000), member.node >= 0 else { continue }
            let run = try reader.judged(place)
            guard let last = run.timestamps.last else { continue }
            let node = Int(member.node)
            while sums.count <= node {
                sums.append([])
                counts.append(RateRise.Count())
            }
            seriesCount += 1
            catalog.noteSeen(node, at: last)
            let count = RateRise.Count(seen: run.values.count, happened: run.anomalies.count)
            counts[node] += count
            add(count, Int(member.metric))
            let value = Self.value(run.timestamps, run.values, member, place.id.rawValue, &catalog)
            guard member.feature >= 0, let value, value.isFinite else { continue }
            let feature = Int(member.feature)
            if sums[node].count <= feature {
                sums[node] += Array(repeating: Sum(), count: feature + 1 - sums[node].count)
            }
            sums[node][feature].value += value
            sums[node][feature].count += 1
            sums[node][feature].isAveraged = member.isAveraged
        }
        rows = catalog.nodes.indices.map { $0 < sums.count ? sums[$0].map(\.result) : [] }
        for (node, count) in counts.enumerated() where count.seen > 0 {
            nodeCount += 1
            byPeers[catalog.nodes[node].peers, default: RateRise.Count()] += count
        }
    }

    private mutating func add(_ count: RateRise.Count, _ metric: Int) {
        guard metric >= 0 else { return }
        while byMetric.count <= metric { byMetric.append(RateRise.Count()) }
        byMetric[metric] += count
    }

    /// A gauge's mean, a counter's increase per second; nil when there is none.
    private static func value(
        _ times: [Int64], _ values: [Double], _ member: FleetCatalog.Member, _ id: UInt32, _ catalog: inout FleetCatalog
    ) -> Double? {
        guard let last = times.last, let end = values.last else { return nil }
        defer {
            catalog.members[id]?.lastTime = last
            catalog.members[id]?.lastValue = end
        }
        guard member.isCounter else {
            var (sum, count) = (0.0, 0)
            for value in values where value.isFinite {
                sum += value
                count += 1
            }
            return count > 0 ? sum / Double(count) : nil
        }
        var (start, previous, grown) = (times[0], values[0], 0.0)
        if member.lastValue.isFinite, times[0] > member.lastTime, times[0] - member.lastTime <= counterGapMax {
            (start, previous) = (member.lastTime, member.lastValue)
        }
        for value in values where value.isFinite {
            // A counter that fell has begun anew.
            grown += value >= previous ? value - previous : value
            previous = value
        }
        return last > start ? grown / (Double(last - start) / 1000) : nil
    }
}
