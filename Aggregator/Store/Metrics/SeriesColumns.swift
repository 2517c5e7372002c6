import Telemetry

/// Samples of several series, one after the other: what the merge makes and a chunk group holds.
struct SeriesColumns: Sendable {
    /// Ascending.
    var series: [UInt32] = []
    /// Where each series' samples end in the columns.
    var ends: [Int] = []
    /// Strictly ascending within a series.
    var timestamps: [Int64] = []
    var values: [Double] = []

    var isEmpty: Bool { series.isEmpty }
    func span(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    /// Appends samples of `id`, which is the last series or higher; their times are after its last.
    mutating func append(_ id: UInt32, _ times: ArraySlice<Int64>, _ numbers: ArraySlice<Double>) {
        if series.last != id {
            series.append(id)
            ends.append(timestamps.count)
        }
        timestamps.append(contentsOf: times)
        values.append(contentsOf: numbers)
        ends[ends.count - 1] = timestamps.count
    }
}
