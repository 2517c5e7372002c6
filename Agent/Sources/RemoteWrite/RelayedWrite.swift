public import Interchange
public import Telemetry

/// One series of a request, as a relay hands it on.
public struct RelayedSeries: Sendable, Equatable {
    public var descriptor: SeriesDescriptor
    /// Milliseconds, strictly ascending.
    public internal(set) var timestamps: [Int64] = []
    public internal(set) var values: [Double] = []

    init(_ descriptor: SeriesDescriptor) { self.descriptor = descriptor }
}

/// A body of remote write 1.0 as a relay takes it in: every series keeps its labels and bears the relay's name. Its type
/// is what the body's own metadata says, whose help and units are handed on, too.
///
/// What cannot be handed on is counted and named once; the rest stands. Values are kept bit for bit, so staleness
/// markers stay what they are.
public struct RelayedWrite: Sendable {
    /// Of one request; the aggregator's forwarder sends 5,000 unless it is told otherwise.
    public static let samplesMax = 100_000
    /// The aggregator takes nothing from further ahead.
    public static let aheadMillisecondsMax: Int64 = 300_000
    /// Milliseconds since 1970: nothing was measured before.
    static let earliest: Int64 = 0

    /// In the order of the request; none is empty.
    public private(set) var series: [RelayedSeries] = []
    public private(set) var sampleCount = 0
    /// Families with a unit or a help text.
    public private(set) var families: [MetricMetadata] = []
    /// Samples that are not among them.
    public private(set) var refusedCount = 0
    /// Why the first of them is not.
    public private(set) var problem: String?

    /// - Parameters:
    ///   - body: inflated.
    ///   - relay: the agent's name.
    /// - Throws: when the bytes are no such message, or hold more than ``samplesMax`` samples.
    public init(_ body: UnsafeRawBufferPointer, relay: String, now: Timestamp) throws(InterchangeError) {
        var decoder = RemoteWriteDecoder(samplesMax: Self.samplesMax)
        var columns = SampleColumns()
        var gathered: [RelayedSeries] = []
        var numbers: [SeriesKey: UInt32] = [:]
        let summary = try decoder.decode(body, .one, into: &columns) { key, _ in
            // The same labels in another order are another spelling of one series.
            if let known = numbers[key] { return known }
            let relayed = key.relayed(by: relay)
            guard relayed.isWithinLimits else { return nil }
            let number = UInt32(gathered.count)
            numbers[key] = number
            gathered.append(RelayedSeries(SeriesDescriptor(key: relayed, type: .unknown)))
            return number
        }
        refuse(summary.refusedSamples, summary.problem ?? "labels that break remote write's rules")
        refuse(summary.unplacedSamples, "more labels, or a longer one, than a series may have")
        refuse(summary.histograms, "native histograms are not supported")
        let latest = now.advanced(byMilliseconds: Self.aheadMillisecondsMax).milliseconds
        for index in columns.values.indices {
            let time = columns.timestamps[index]
            guard time >= Self.earliest, time <= latest else {
                refuse(1, "a time more than 5 minutes ahead, or before 1970")
                continue
            }
            gathered[Int(columns.series[index])].timestamps.append(time)
            gathered[Int(columns.series[index])].values.append(columns.values[index])
        }
        let types = MetricTypes(summary.metadata)
        families = summary.metadata.compactMap(\.kept).filter(\.hasTexts)
        for index in gathered.indices {
            gathered[index].descriptor.type = types.type(of: gathered[index].descriptor.key[SeriesKey.nameLabel] ?? "")
            gathered[index].settle()
            sampleCount += gathered[index].values.count
        }
        series = gathered.filter { !$0.values.isEmpty }
    }

    private mutating func refuse(_ count: Int, _ reason: String) {
        guard count > 0 else { return }
        refusedCount += count
        if problem == nil { problem = reason }
    }
}

extension RelayedSeries {
    /// By time, each time once: of several values the last one given.
    fileprivate mutating func settle() {
        let isOrdered = timestamps.indices.dropFirst().allSatisfy { timestamps[$0 - 1] < timestamps[$0] }
        guard !isOrdered else { return }
        var (times, kept): ([Int64], [Double]) = ([], [])
        for index in timestamps.indices.sorted(by: { (timestamps[$0], $0) < (timestamps[$1], $1) }) {
            if times.last == timestamps[index] {
                kept[kept.count - 1] = values[index]
            } else {
                times.append(timestamps[index])
                kept.append(values[index])
            }
        }
        (timestamps, values) = (times, kept)
    }
}
