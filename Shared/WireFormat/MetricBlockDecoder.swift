public import Telemetry

/// Decodes metric blocks into its own buffers, which it reuses: the fast path of ingest.
///
/// Not thread-safe: one per thread. Memory grows to the largest block seen, at most 8 MB of values
/// (``MetricBlock/samplesMax``). What it holds stands until the next call of ``decode(_:)``.
public final class MetricBlockDecoder {
    /// A group within the decoder's flat buffers.
    public struct Group: Sendable {
        public var timestamps: Range<Int>
        public var series: Range<Int>
        public var values: Range<Int>
        /// Empty if none is known.
        public var startTimestamps: Range<Int>
        /// Words of 64 bits; empty if no value is anomalous.
        public var anomalies: Range<Int>
    }

    public private(set) var tables: [TableReference] = []
    public private(set) var groups: [Group] = []
    public private(set) var timestamps: [Int64] = []
    public private(set) var series: [UInt32] = []
    public private(set) var startTimestamps: [Int64] = []
    public private(set) var anomalies: [UInt64] = []
    /// Parallel to ``series``: whether the block says that all its values are the same. Only noted by a decoding that
    /// leaves their repetitions out.
    public private(set) var constancy: [Bool] = []
    /// Series-major within each group, as in ``MetricBatch``.
    public private(set) var sampleCount = 0
    private var values: UnsafeMutablePointer<Double>
    private var valueCapacity = 8192
    private var valueCount = 0
    private var reader = MetricGroupReader()
    private var bodies: [UnsafeRawBufferPointer] = []

    public init() { values = .allocate(capacity: 8192) }
    deinit { values.deallocate() }

    /// The values of all groups; valid until the next decode. Empty after a check.
    public var allValues: UnsafeBufferPointer<Double> { UnsafeBufferPointer(start: values, count: valueCount) }

    /// What becomes of the values.
    private enum Values {
        case all
        /// Where a series rests, its first only.
        case firstOfConstants
        /// They are looked at and not kept.
        case checked
    }

    /// Validates and decodes everything.
    /// - Parameter repeatingConstants: false leaves all but the first value of a series undefined where ``constancy``
    ///   is true; most series of a machine rest.
    /// - Throws: ``WireError`` for any bytes that are no valid block; the buffers then hold nothing.
    public func decode(_ bytes: UnsafeRawBufferPointer, repeatingConstants: Bool = true) throws(WireError) {
        try read(bytes, repeatingConstants ? .all : .firstOfConstants)
    }

    /// Validates everything, and decodes all but the values: a block passes if, and only if, it can be decoded. For a third
    /// of the cost.
    /// - Throws: as ``decode(_:repeatingConstants:)``.
    public func check(_ bytes: UnsafeRawBufferPointer) throws(WireError) { try read(bytes, .checked) }

    public func check(_ bytes: [UInt8]) throws(WireError) {
        var failure: WireError?
        bytes.withUnsafeBytes { bytes in
            do throws(WireError) { try check(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func read(_ bytes: UnsafeRawBufferPointer, _ wanted: Values) throws(WireError) {
        clear()
        do throws(WireError) {
            let limit = try readHeader(bytes)
            for body in bodies { try decodeGroup(body, limit: limit, wanted) }
            bodies.removeAll(keepingCapacity: true)
        } catch {
            clear()
            throw error
        }
    }

    public func decode(_ bytes: [UInt8], repeatingConstants: Bool = true) throws(WireError) {
        var failure: WireError?
        bytes.withUnsafeBytes { bytes in
            do throws(WireError) { try decode(bytes, repeatingConstants: repeatingConstants) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Decodes one series of one group alone: the directory of that group and one stream.
    /// - Returns: nil when the group does not hold the series.
    public func decodeSeries(
        _ number: UInt32, group index: Int, of bytes: UnsafeRawBufferPointer
    ) throws(WireError) -> [Sample]? {
        clear()
        defer { clear() }
        let limit = try readHeader(bytes)
        guard bodies.indices.contains(index) else { throw .invalid("group index") }
        try reader.read(bodies[index], limit: limit, samplesMax: MetricBlock.samplesMax)
        guard let position = Self.position(of: number, in: reader.series) else { return nil }
        reserve(reader.timestamps.count)
        guard reader.readValues(position, into: values) else { throw .invalid("value stream") }
        return reader.timestamps.indices.map {
            Sample(timestamp: Timestamp(milliseconds: reader.timestamps[$0]), value: values[$0])
        }
    }

    /// A copy of what was decoded.
    public func batch() -> MetricBatch {
        MetricBatch(
            groups: groups.map { group in
                MetricBatch.Group(
                    timestamps: Array(timestamps[group.timestamps]), series: Array(series[group.series]),
                    values: Array(allValues[group.values]),
                    startTimestamps: Array(startTimestamps[group.startTimestamps]),
                    anomalies: Array(anomalies[group.anomalies]))
            })
    }

    private func clear() {
        tables.removeAll(keepingCapacity: true)
        groups.removeAll(keepingCapacity: true)
        timestamps.removeAll(keepingCapacity: true)
        series.removeAll(keepingCapacity: true)
        constancy.removeAll(keepingCapacity: true)
        startTimestamps.removeAll(keepingCapacity: true)
        anomalies.removeAll(keepingCapacity: true)
        bodies.removeAll(keepingCapacity: true)
        sampleCount = 0
        valueCount = 0
    }

    /// - Returns: the count of series in all tables.
    private func readHeader(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> UInt64 {
        var cursor = ColumnCursor(bytes)
        let version = cursor.byte()
        guard cursor.isValid else { throw .truncated("block version") }
        guard version == MetricBlock.version else { throw .unsupportedVersion(version) }
        guard cursor.byte() == 0 else { throw .invalid("block flags") }
        let tableCount = cursor.count(max: MetricBlock.tablesMax)
        var limit: UInt64 = 0
        for _ in 0..<tableCount {
            let high = ID128(high: cursor.word().byteSwapped, low: cursor.word().byteSwapped)
            let low = ID128(high: cursor.word().byteSwapped, low: cursor.word().byteSwapped)
            let count = cursor.count(max: SeriesTable.seriesMax)
            tables.append(TableReference(hash: TableHash(high: high, low: low), count: UInt32(count)))
            limit += UInt64(count)
        }
        let groupCount = cursor.count(max: MetricBlock.groupsMax)
        for _ in 0..<groupCount {
            bodies.append(cursor.take(cursor.count(max: cursor.remaining)))
            guard cursor.isValid else { break }
        }
        guard cursor.isValid else { throw .truncated("block header") }
        guard cursor.remaining == 0 else { throw .trailingBytes(cursor.remaining) }
        return limit
    }

    private func decodeGroup(
        _ body: UnsafeRawBufferPointer, limit: UInt64, _ wanted: Values
    ) throws(WireError) {
        try reader.read(body, limit: limit, samplesMax: MetricBlock.samplesMax - sampleCount)
        let height = reader.timestamps.count
        let seriesCount = reader.series.count
        let total = height * seriesCount
        let isValid = wanted == .checked ? checkValues(height) : readValues(height, wanted)
        guard isValid else { throw .invalid("value stream") }
        if wanted == .firstOfConstants { noteConstancy() }
        groups.append(
            Group(
                timestamps: timestamps.count..<timestamps.count + height,
                series: series.count..<series.count + seriesCount, values: sampleCount..<sampleCount + total,
                startTimestamps: startTimestamps.count..<startTimestamps.count + reader.starts.count,
                anomalies: anomalies.count..<anomalies.count + (reader.anomalyBytes.count + 7) / 8))
        timestamps.append(contentsOf: reader.timestamps)
        series.append(contentsOf: reader.series)
        startTimestamps.append(contentsOf: reader.starts)
        appendAnomalies(reader.anomalyBytes)
        sampleCount += total
    }

    private func readValues(_ height: Int, _ wanted: Values) -> Bool {
        let total = height * reader.series.count
        reserve(valueCount + total)
        let streams = ColumnCursor(reader.streams).position
        var target = values + valueCount
        valueCount += total
        return reader.directory.entries.withUnsafeBufferPointer { entries in
            for entry in entries {
                let count = wanted == .firstOfConstants && entry.isConstant ? 1 : height
                guard ValueColumnDecoder.read(entry, stream: streams + Int(entry.offset), count: count, into: target)
                else { return false }
                target += height
            }
            return true
        }
    }

    private func checkValues(_ height: Int) -> Bool {
        reserve(height)
        let streams = ColumnCursor(reader.streams).position
        let scratch = values
        return reader.directory.entries.withUnsafeBufferPointer { entries in
            entries.allSatisfy {
                ValueColumnDecoder.check($0, stream: streams + Int($0.offset), count: height, scratch: scratch)
            }
        }
    }

    private func noteConstancy() {
        var noted = constancy
        constancy = []  // so that `noted` is the only reference
        for entry in reader.directory.entries { noted.append(entry.isConstant) }
        constancy = noted
    }

    private func appendAnomalies(_ bytes: UnsafeRawBufferPointer) {
        var word: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            word |= UInt64(byte) << UInt64(index % 8 * 8)
            if index % 8 == 7 || index == bytes.count - 1 {
                anomalies.append(word)
                word = 0
            }
        }
    }

    private func reserve(_ capacity: Int) {
        guard valueCapacity < capacity else { return }
        let wider = max(valueCapacity * 2, capacity)
        let moved = UnsafeMutablePointer<Double>.allocate(capacity: wider)
        moved.update(from: values, count: valueCount)
        values.deallocate()
        values = moved
        valueCapacity = wider
    }

    private static func position(of number: UInt32, in series: [UInt32]) -> Int? {
        var (low, high) = (0, series.count)
        while low < high {
            let middle = (low + high) / 2
            if series[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < series.count && series[low] == number ? low : nil
    }
}
