package import Telemetry
package import WireFormat

/// What ingest has to know of a metric block that was validated as a whole. The samples themselves stay in the block's
/// body, to be decoded by whoever reads them: most are only ever merged with others.
package struct MetricContent: Sendable {
    /// The tables that the block names, in order, and how many series each has, as the block says.
    package var tables: [TableReference]
    package var sampleCount: Int
    /// First and last of all instants, milliseconds; nil without samples.
    package var times: ClosedRange<Int64>?
    /// The highest series number, which runs over the concatenation of the tables; nil without samples.
    package var highestSeries: UInt32?
    /// Decoded, where somebody had them so anyway; nil: the body tells.
    package var samples: MetricBatch?

    /// Of samples that are at hand and stay so.
    package init(tables: [TableReference], samples: MetricBatch) {
        self.tables = tables
        self.samples = samples
        sampleCount = samples.sampleCount
        for group in samples.groups where !group.series.isEmpty { note(group.timestamps[...], group.series[...]) }
    }

    /// Of what a decoder holds.
    package init(_ decoder: MetricBlockDecoder) {
        tables = decoder.tables
        sampleCount = decoder.sampleCount
        for group in decoder.groups where !group.series.isEmpty {
            note(decoder.timestamps[group.timestamps], decoder.series[group.series])
        }
    }

    /// Both ascend.
    private mutating func note(_ timestamps: ArraySlice<Int64>, _ series: ArraySlice<UInt32>) {
        guard let first = timestamps.first, let last = timestamps.last, let highest = series.last else { return }
        times = min(first, times?.lowerBound ?? first)...max(last, times?.upperBound ?? last)
        highestSeries = max(highest, highestSeries ?? 0)
    }
}
