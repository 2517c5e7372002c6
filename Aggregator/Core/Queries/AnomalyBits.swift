import API
import PromQL
import Store
import Telemetry

/// `stagebox_anomaly_bit`: a series that is not stored, but made of the anomaly bits that agents send with their samples.
///
///     stagebox_anomaly_bit{metric="node_load1", instance="edge-1", …}   1: the agent judged the sample anomalous, else 0
///
/// One per series that an agent delivers, a sample at each of its samples, with its labels; `metric` is its name, and a
/// label `metric` of its own becomes `exported_metric`. 0 also stands for a sample that was not judged. Asked for by that
/// very name and at least one matcher that a missing label does not satisfy; at most ``seriesMax`` series at once. Bits
/// are kept as long as samples; rollups have none.
struct AnomalyBits: SeriesSelection {
    static let name = "stagebox_anomaly_bit"
    /// Series that one selector may select: bits have to be looked for in whole samples.
    static let seriesMax = 20_000
    private static let metric = "metric"
    private static let exported = "exported_metric"

    private let store: TenantStore
    private let places: [SeriesIndex.Place]
    private let scope: ReadScope
    private let onlyLast: Bool
    private let begin: Timestamp
    private let range: ClosedRange<Timestamp>

    /// - Returns: nil when the request does not ask for the bits.
    /// - Throws: ``QueryError`` `execution` without a matcher that bounds it, `limit` beyond ``seriesMax``.
    init?(_ store: TenantStore, _ request: SeriesRequest) throws {
        guard request.matchers.contains(LabelMatcher.equal(SeriesKey.nameLabel, Self.name)) else { return nil }
        let others = request.matchers.filter { $0.name != SeriesKey.nameLabel }
        guard others.contains(where: { !$0.isSatisfied(by: "") }) else {
            throw QueryError(
                .execution, "\(Self.name) needs a matcher such as metric=\"node_load1\" or instance=\"edge-1\"")
        }
        self.store = store
        range = Timestamp(milliseconds: request.range.lowerBound)...Timestamp(milliseconds: request.range.upperBound)
        begin = store.samplesBegin
        scope = store.scope(in: range)
        onlyLast = request.hints.needsOnlyLast
        // What else is asked of the name concerns the bits' own.
        let isContradiction = !request.matchers.allSatisfy {
            $0.name != SeriesKey.nameLabel || $0.isSatisfied(by: Self.name)
        }
        let matchers = try others.map(Self.ofStored)
        let found = isContradiction ? [] : store.index.places(of: store.index.select(matchers, in: range))
        places = found.filter(store.hasAnomalyBits)
        guard places.count <= Self.seriesMax else {
            throw QueryError(
                .limit, "\(Self.name): \(places.count) series, at most \(Self.seriesMax); name a metric or fewer nodes")
        }
    }

    /// The condition on the series whose samples have the bits.
    private static func ofStored(_ matcher: LabelMatcher) throws -> LabelMatcher {
        switch matcher.name {
        case metric: try LabelMatcher(SeriesKey.nameLabel, matcher.operation, matcher.value)
        case exported: try LabelMatcher(metric, matcher.operation, matcher.value)
        default: matcher
        }
    }

    static func key(of stored: SeriesKey) -> SeriesKey {
        SeriesKey(
            labels: stored.labels.map { label in
                switch label.name {
                case SeriesKey.nameLabel: Label(metric, label.value)
                case metric: Label(exported, label.value)
                default: label
                }
            } + [Label(SeriesKey.nameLabel, name)])
    }

    var count: Int { places.count }
    func labels(at position: Int) -> SeriesKey { Self.key(of: store.index.key(places[position].id)) }
    var infos: [String] {
        range.lowerBound < begin
            ? ["\(Self.name): samples from before \(InternetTime.format(begin)) are not kept, and no bits with them"]
            : []
    }

    func makeReader() throws -> any SampleReader {
        Reader(places: places, onlyLast: onlyLast, reader: scope.reader())
    }

    private struct Reader: SampleReader {
        let places: [SeriesIndex.Place]
        let onlyLast: Bool
        var reader: SeriesReader

        mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws {
            let (times, values, anomalies) = try reader.judged(places[position])
            guard let last = times.indices.last else { return }
            var next = anomalies.startIndex
            for index in times.indices {
                var bit = 0.0
                if next < anomalies.endIndex, anomalies[next] == index {
                    bit = 1
                    next += 1
                }
                guard !onlyLast || index == last else { continue }
                buffer.append(times[index], StalenessMarker.isStale(values[index]) ? values[index] : bit)
            }
        }
    }
}
