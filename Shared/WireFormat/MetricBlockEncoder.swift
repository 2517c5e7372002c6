public import Telemetry

/// Encodes metric blocks, keeping its buffers from one to the next.
///
/// Not thread-safe: one per thread. Memory grows to what the largest batch needed.
public final class MetricBlockEncoder {
    private var columns = ValueColumnEncoder()
    private var output = ByteColumn(capacity: 8192)
    private var body = ByteColumn(capacity: 8192)
    private var numbers: [UInt64] = []

    public init() {}

    /// - Throws: when the batch breaks the rules of ``MetricBatch`` or a bound of ``MetricBlock``, or
    ///   names a series beyond the tables.
    public func encode(_ batch: MetricBatch, tables: [TableReference]) throws(WireError) -> [UInt8] {
        guard tables.count <= MetricBlock.tablesMax else { throw .tooLarge("tables") }
        guard batch.groups.count <= MetricBlock.groupsMax else { throw .tooLarge("groups") }
        guard batch.sampleCount <= MetricBlock.samplesMax else { throw .tooLarge("samples") }
        output.clear()
        output.append(MetricBlock.version)
        output.append(0)
        output.append(varint: UInt64(tables.count))
        var limit: UInt64 = 0
        for table in tables {
            output.append(table.hash.bytes)
            output.append(varint: UInt64(table.count))
            limit += UInt64(table.count)
        }
        output.append(varint: UInt64(batch.groups.count))
        for group in batch.groups {
            try encode(group, limit: limit)
            output.append(varint: UInt64(body.count))
            output.append(body.bytes)
        }
        return [UInt8](output.bytes)
    }

    private func encode(_ group: MetricBatch.Group, limit: UInt64) throws(WireError) {
        let valueCount = group.timestamps.count
        let bitWords = (group.values.count + 63) / 64
        guard group.values.count == valueCount * group.series.count, !group.series.isEmpty else {
            throw .invalid("value count")
        }
        guard group.startTimestamps.isEmpty || group.startTimestamps.count == group.series.count else {
            throw .invalid("start timestamps")
        }
        guard group.anomalies.isEmpty || group.anomalies.count == bitWords else { throw .invalid("anomalies") }
        guard UInt64(group.series[group.series.count - 1]) < limit else { throw .invalid("series numbers") }

        let hasStarts = group.startTimestamps.contains { $0 != 0 }
        let hasAnomalies = group.anomalies.contains { $0 != 0 }
        body.clear()
        body.append(
            (hasStarts ? MetricGroupReader.startsFlag : 0) | (hasAnomalies ? MetricGroupReader.anomaliesFlag : 0))
        var failure: WireError?
        group.timestamps.withUnsafeBufferPointer { timestamps in
            do throws(WireError) { try TimestampColumn.write(timestamps, to: &body) } catch { failure = error }
        }
        if let failure { throw failure }
        numbers.removeAll(keepingCapacity: true)
        for number in group.series { numbers.append(UInt64(number)) }
        numbers.withUnsafeBufferPointer { numbers in
            do throws(WireError) { try SeriesNumberColumn.write(numbers, to: &body) } catch { failure = error }
        }
        if let failure { throw failure }
        if hasStarts { StartTimestampColumn.write(group.startTimestamps, to: &body) }
        if hasAnomalies { writeAnomalies(group) }

        columns.begin(seriesMax: group.series.count)
        group.values.withUnsafeBufferPointer { values in
            guard var pointer = values.baseAddress else { return }
            for _ in 0..<group.series.count {
                columns.add(pointer, count: valueCount)
                pointer += valueCount
            }
        }
        ValueColumnSection.writeDirectory(columns, to: &body)
        body.append(columns.streams.bytes)
    }

    /// One bit per value, whole bytes; bits beyond the last value are zero.
    private func writeAnomalies(_ group: MetricBatch.Group) {
        let count = group.values.count
        for index in 0..<(count + 7) / 8 {
            var byte = UInt8(truncatingIfNeeded: group.anomalies[index / 8] >> UInt64(index % 8 * 8))
            if index == count / 8 { byte &= UInt8(truncatingIfNeeded: (1 << (count % 8)) - 1) }
            body.append(byte)
        }
    }
}
