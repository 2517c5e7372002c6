public import Compression

/// Builds chunk groups, keeping its buffers from one to the next. Not thread-safe.
///
/// `begin`, `add` for each series in ascending order, `finish`.
public final class ChunkGroupEncoder {
    private let compressor: ZstdCompressor
    private var columns = ValueColumnEncoder()
    private var head = ByteColumn(capacity: 8192)
    private var timelines: [[Int64]] = []
    private var series: [UInt64] = []
    private var timelineOf: [Int] = []
    private var starts: [Int64] = []
    private var anomalies: [(index: Int, positions: [Int])] = []
    private var summaries: [ChunkSummary] = []
    private var includesSummaries = false
    private var sampleCount = 0

    /// Streams are gathered into frames up to this many raw bytes.
    private let frameBytes: Int

    /// - Parameters:
    ///   - level: of zstd; 3 unless told otherwise.
    ///   - frameBytes: of streams per frame, at most ``ChunkGroup/frameBytesMax``. Larger ones compress better
    ///     (on `proc-1s` 256 KiB saves 8 % against 64 KiB), smaller ones cost less per series read.
    public init(level: Int = 3, frameBytes: Int = ChunkGroup.frameBytesUsual) throws(ZstdError) {
        compressor = try ZstdCompressor(level: level)
        self.frameBytes = min(frameBytes, ChunkGroup.frameBytesMax)
    }

    /// - Parameters:
    ///   - timelines: shared by the series; each strictly increasing milliseconds.
    ///   - includesSummaries: keep each series' summary in the group: 32 raw bytes per series that is not constant.
    public func begin(timelines: [[Int64]], seriesMax: Int, includesSummaries: Bool = false) {
        self.timelines = timelines
        self.includesSummaries = includesSummaries
        columns.begin(seriesMax: min(seriesMax, ChunkGroup.seriesMax))
        series.removeAll(keepingCapacity: true)
        timelineOf.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        anomalies.removeAll(keepingCapacity: true)
        summaries.removeAll(keepingCapacity: true)
        sampleCount = 0
        capacity = min(seriesMax, ChunkGroup.seriesMax)
    }
    private var capacity = 0

    /// One more timeline, for groups whose timelines come to light series by series.
    /// - Returns: its number for ``add(series:timeline:values:startTimestamp:anomalies:)``.
    public func addTimeline(_ timestamps: [Int64]) -> Int {
        timelines.append(timestamps)
        return timelines.count - 1
    }

    /// - Parameters:
    ///   - number: above the one added before.
    ///   - values: one per timestamp of the timeline.
    ///   - startTimestamp: of a counter, milliseconds; 0 if unknown.
    ///   - anomalies: positions of anomalous values, ascending.
    public func add(
        series number: UInt64, timeline: Int, values: UnsafeBufferPointer<Double>, startTimestamp: Int64 = 0,
        anomalies positions: [Int] = []
    ) throws(WireError) {
        guard timelines.indices.contains(timeline), timelines[timeline].count == values.count,
            let base = values.baseAddress
        else { throw .invalid("value count") }
        try enter(number, timeline, startTimestamp, positions)
        columns.add(base, count: values.count)
        guard includesSummaries else { return }
        let isConstant = columns.classes.bytes[series.count - 1] & 7 < ValueClass.Kind.rising.rawValue
        summaries.append(isConstant ? ChunkSummary(constant: base[0], count: values.count) : ChunkSummary(values))
    }

    /// A series whose values are all the same, at every timestamp of the timeline.
    public func add(
        series number: UInt64, timeline: Int, constant value: Double, startTimestamp: Int64 = 0,
        anomalies positions: [Int] = []
    ) throws(WireError) {
        guard timelines.indices.contains(timeline), !timelines[timeline].isEmpty else { throw .invalid("value count") }
        try enter(number, timeline, startTimestamp, positions)
        columns.addConstant(value)
        if includesSummaries { summaries.append(ChunkSummary(constant: value, count: timelines[timeline].count)) }
    }

    private func enter(_ number: UInt64, _ timeline: Int, _ start: Int64, _ positions: [Int]) throws(WireError) {
        guard series.count < capacity else { throw .tooLarge("series") }
        sampleCount += timelines[timeline].count
        guard sampleCount <= ChunkGroup.samplesMax else { throw .tooLarge("samples") }
        series.append(number)
        timelineOf.append(timeline)
        starts.append(start)
        if !positions.isEmpty { anomalies.append((series.count - 1, positions)) }
    }

    /// - Returns: the group's bytes, compressed.
    public func finish() throws(WireError) -> [UInt8] {
        guard !series.isEmpty else { throw .invalid("series count") }
        let (frames, sizes) = try compressFrames()
        let hasStarts = starts.contains { $0 != 0 }
        try writeHead(sizes, hasStarts: hasStarts)
        guard head.count <= ChunkGroup.headBytesMax else { throw .tooLarge("chunk head") }
        let compressedHead = try compress(head.bytes)
        var output = ByteColumn(capacity: frames.count + compressedHead.count + 16)
        output.append(ChunkGroup.version)
        output.append(
            (includesSummaries ? ChunkGroup.summariesFlag : 0) | (hasStarts ? ChunkGroup.startsFlag : 0)
                | (anomalies.isEmpty ? 0 : ChunkGroup.anomaliesFlag))
        output.append(varint: UInt64(compressedHead.count))
        output.append(compressedHead)
        output.append(frames)
        return [UInt8](output.bytes)
    }

    private func compress(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [UInt8] {
        do throws(ZstdError) { return try compressor.compress(bytes) } catch { throw .invalid("zstd") }
    }

    private func compressFrames() throws(WireError) -> (frames: [UInt8], sizes: [(raw: Int, compressed: Int)]) {
        var frames: [UInt8] = []
        var sizes: [(raw: Int, compressed: Int)] = []
        let streams = columns.streams.bytes
        var start = 0
        for index in 0..<columns.streamCount {
            let end = columns.streamRange(index).upperBound
            let isLast = index == columns.streamCount - 1
            let next = isLast ? end : columns.streamRange(index + 1).upperBound
            guard isLast || next - start > frameBytes else { continue }
            let frame = try compress(UnsafeRawBufferPointer(rebasing: streams[start..<end]))
            sizes.append((end - start, frame.count))
            frames.append(contentsOf: frame)
            start = end
        }
        return (frames, sizes)
    }

    private func writeHead(_ sizes: [(raw: Int, compressed: Int)], hasStarts: Bool) throws(WireError) {
        guard timelines.count <= ChunkGroup.timelinesMax else { throw .tooLarge("timelines") }
        head.clear()
        head.append(varint: UInt64(timelines.count))
        var failure: WireError?
        for timeline in timelines {
            timeline.withUnsafeBufferPointer { timeline in
                do throws(WireError) { try TimestampColumn.write(timeline, to: &head) } catch { failure = error }
            }
            if let failure { throw failure }
        }
        series.withUnsafeBufferPointer { series in
            do throws(WireError) { try SeriesNumberColumn.write(series, to: &head) } catch { failure = error }
        }
        if let failure { throw failure }
        var index = 0
        while index < timelineOf.count {
            var length = 1
            while index + length < timelineOf.count, timelineOf[index + length] == timelineOf[index] { length += 1 }
            head.append(varint: UInt64(timelineOf[index]))
            head.append(varint: UInt64(length - 1))
            index += length
        }
        if hasStarts { StartTimestampColumn.write(starts, to: &head) }
        if !anomalies.isEmpty { try writeAnomalies() }
        head.append(varint: UInt64(sizes.count))
        for size in sizes {
            head.append(varint: UInt64(size.raw))
            head.append(varint: UInt64(size.compressed))
        }
        ValueColumnSection.writeDirectory(columns, to: &head)
        guard includesSummaries else { return }
        let classes = columns.classes.bytes
        let moving = summaries.indices.filter { classes[$0] & 7 >= ValueClass.Kind.rising.rawValue }
        for index in moving { head.append(littleEndian: summaries[index].sum.bitPattern) }
        for index in moving { head.append(littleEndian: summaries[index].min.bitPattern) }
        for index in moving { head.append(littleEndian: summaries[index].max.bitPattern) }
        for index in moving { head.append(littleEndian: summaries[index].last.bitPattern) }
    }

    private func writeAnomalies() throws(WireError) {
        head.append(varint: UInt64(anomalies.count))
        var expected = 0
        for (index, positions) in anomalies {
            head.append(varint: UInt64(index - expected))
            expected = index + 1
            head.append(varint: UInt64(positions.count))
            var next = 0
            for position in positions {
                guard position >= next, position < timelines[timelineOf[index]].count else {
                    throw .invalid("anomalies")
                }
                head.append(varint: UInt64(position - next))
                next = position + 1
            }
        }
    }
}
