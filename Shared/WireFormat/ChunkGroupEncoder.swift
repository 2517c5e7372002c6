public import Compression

/// Builds chunk groups, keeping its buffers from one to the next. Not thread-safe.
///
/// `begin`, `add` for each series in ascending order, `finish`.
public final class ChunkGroupEncoder {
    private let compressor: ZstdCompressor
    private var columns = ValueColumnEncoder(packs: true)
    private var head = ByteColumn(capacity: 8192)
    private var timelines: [[Int64]] = []
    private var series: [UInt64] = []
    private var timelineOf: [Int] = []
    private var starts: [Int64] = []
    private var anomalies: [(index: Int, positions: [Int])] = []
    private var keepsLasts = false
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
    ///   - keepsLasts: each series' last value can be told without decoding the series; a byte or two of most.
    public func begin(timelines: [[Int64]], seriesMax: Int, keepsLasts: Bool = false) {
        self.timelines = timelines
        self.keepsLasts = keepsLasts
        columns.begin(seriesMax: min(seriesMax, ChunkGroup.seriesMax))
        series.removeAll(keepingCapacity: true)
        timelineOf.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        anomalies.removeAll(keepingCapacity: true)
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
    }

    /// A series whose values are all the same, at every timestamp of the timeline.
    public func add(
        series number: UInt64, timeline: Int, constant value: Double, startTimestamp: Int64 = 0,
        anomalies positions: [Int] = []
    ) throws(WireError) {
        guard timelines.indices.contains(timeline), !timelines[timeline].isEmpty else { throw .invalid("value count") }
        try enter(number, timeline, startTimestamp, positions)
        columns.addConstant(value)
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
        columns.settle()
        let (frames, sizes) = try compressFrames()
        let hasStarts = starts.contains { $0 != 0 }
        try writeHead(sizes, hasStarts: hasStarts)
        guard columns.packed.count <= ChunkGroup.packedBytesMax else { throw .tooLarge("packed streams") }
        guard head.count <= ChunkGroup.headBytesMax else { throw .tooLarge("chunk head") }
        let compressedHead = try compress(head.bytes)
        var output = ByteColumn(capacity: frames.count + compressedHead.count + columns.packed.count + 24)
        output.append(ChunkGroup.version)
        output.append(
            (keepsLasts ? ChunkGroup.lastsFlag : 0) | (hasStarts ? ChunkGroup.startsFlag : 0)
                | (anomalies.isEmpty ? 0 : ChunkGroup.anomaliesFlag))
        output.append(varint: UInt64(compressedHead.count))
        output.append(compressedHead)
        output.append(frames)
        guard columns.packed.count > 0 else { return [UInt8](output.bytes) }
        output.append(columns.packed.bytes)
        output.append([UInt8](repeating: 0, count: PackedStream.paddingBytes))
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
        let ends = columns.streamEnds
        for (index, end) in ends.enumerated() {
            let isLast = index == ends.count - 1
            let next = isLast ? end : ends[index + 1]
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
        head.append(varint: UInt64(columns.packed.count))
        ValueColumnSection.writeDirectory(columns, to: &head)
        if keepsLasts { head.append(columns.lasts.bytes) }
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
