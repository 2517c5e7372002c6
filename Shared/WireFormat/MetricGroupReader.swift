/// Reads one group of a metric block up to its streams; its arrays are reused from group to group.
struct MetricGroupReader {
    static let startsFlag: UInt8 = 1
    static let anomaliesFlag: UInt8 = 2

    var timestamps: [Int64] = []
    var series: [UInt32] = []
    var starts: [Int64] = []
    /// One bit per value; empty if none is anomalous.
    private(set) var anomalyBytes = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var directory = ValueColumnDirectory()
    private(set) var streams = UnsafeRawBufferPointer(start: nil, count: 0)

    /// - Parameters:
    ///   - limit: series numbers are below it.
    ///   - samplesMax: what the block's bound leaves for this group.
    mutating func read(_ bytes: UnsafeRawBufferPointer, limit: UInt64, samplesMax: Int) throws(WireError) {
        var cursor = ColumnCursor(bytes)
        let flags = cursor.byte()
        guard flags & ~(Self.startsFlag | Self.anomaliesFlag) == 0 else { throw .invalid("group flags") }
        try TimestampColumn.read(&cursor, into: &timestamps)
        let count = timestamps.count
        // A class byte per series must follow, which bounds the series by the bytes at hand.
        try SeriesNumberColumn.read(
            &cursor, countMax: min(samplesMax / count, cursor.remaining), limit: limit, into: &series)
        if flags & Self.startsFlag != 0 {
            try StartTimestampColumn.read(&cursor, count: series.count, into: &starts)
        } else {
            starts.removeAll(keepingCapacity: true)
        }
        let bits = flags & Self.anomaliesFlag != 0 ? count * series.count : 0
        anomalyBytes = cursor.take((bits + 7) / 8)
        if bits % 8 != 0, let last = anomalyBytes.last, last >> UInt8(bits % 8) != 0 { throw .invalid("anomalies") }
        let columns = try ValueColumnSection.readColumns(&cursor, seriesCount: series.count)
        try directory.read(columns, seriesCount: series.count, streamBytesMax: cursor.remaining) { _ in count }
        streams = cursor.take(cursor.remaining)
        guard streams.count == directory.streamBytes else {
            throw .trailingBytes(streams.count - directory.streamBytes)
        }
    }

    /// The values of the series at `index` of this group.
    @inline(__always)
    func readValues(_ index: Int, into values: UnsafeMutablePointer<Double>) -> Bool {
        let entry = directory.entries[index]
        let base = ColumnCursor(streams).position
        return ValueColumnDecoder.read(entry, stream: base + Int(entry.offset), count: timestamps.count, into: values)
    }
}
