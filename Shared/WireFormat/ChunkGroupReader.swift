public import Compression

/// Reads a chunk group: its directory at once, streams frame by frame as they are asked for.
///
/// Not thread-safe. Holds the group's bytes, the directory (about 40 bytes per series) and the
/// last ``cachedFramesMax`` inflated frames.
public final class ChunkGroupReader {
    public static let cachedFramesMax = 4

    /// Series numbers in ascending order; other calls take positions in this array.
    public private(set) var series: [UInt64] = []
    public private(set) var timelines: [[Int64]] = []
    /// By position; empty if none is known.
    public private(set) var startTimestamps: [Int64] = []
    public private(set) var sampleCount = 0
    /// Positions of anomalous values by position of the series.
    private var anomalies: [Int: [Int]] = [:]
    private var timelineOf: [UInt16] = []
    private var summaries: [ChunkSummary] = []
    private let bytes: [UInt8]
    private let decompressor: ZstdDecompressor
    private var directory = ValueColumnDirectory()
    private var frames: [Frame] = []
    private var cache: [(frame: Int, bytes: [UInt8])] = []
    private var cacheNext = 0

    private struct Frame {
        var rawStart: Int
        var rawBytes: Int
        var start: Int
        var bytes: Int
    }

    /// - Parameter decompressor: may be shared with other readers of the same thread.
    /// - Throws: ``WireError`` for any bytes that are no valid group.
    public init(_ bytes: [UInt8], decompressor: ZstdDecompressor) throws(WireError) {
        self.bytes = bytes
        self.decompressor = decompressor
        var failure: WireError?
        bytes.withUnsafeBytes { bytes in
            do throws(WireError) { try readAll(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    public func timestamps(_ position: Int) -> [Int64] { timelines[Int(timelineOf[position])] }
    /// Which of ``timelines`` a series has.
    public func timeline(of position: Int) -> Int { Int(timelineOf[position]) }
    public func anomalousPositions(_ position: Int) -> [Int] { anomalies[position] ?? [] }

    /// The position of a series number, nil when the group does not hold it.
    public func position(of number: UInt64) -> Int? {
        var (low, high) = (0, series.count)
        while low < high {
            let middle = (low + high) / 2
            if series[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < series.count && series[low] == number ? low : nil
    }

    /// The series' summary without inflating its stream; nil when the group keeps none and it is not constant.
    public func summary(_ position: Int) -> ChunkSummary? { summaries.isEmpty ? nil : summaries[position] }

    /// Decodes one series, one value per timestamp.
    public func values(_ position: Int) throws(WireError) -> [Double] {
        let count = timelines[Int(timelineOf[position])].count
        var failure: WireError?
        let result = [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            do throws(WireError) {
                try read(position, into: base)
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    /// The value that a whole series has, if the group says so; nil: decode it.
    public func constant(_ position: Int) -> Double? {
        guard directory.entries[position].isConstant else { return nil }
        var value = 0.0
        // The directory has validated the classes of constants.
        return (try? read(position, constant: &value)) == nil ? nil : value
    }

    /// Decodes one series into the caller's memory.
    /// - Precondition: `values` has room for one value per timestamp.
    public func read(_ position: Int, into values: UnsafeMutablePointer<Double>) throws(WireError) {
        let entry = directory.entries[position]
        let count = timelines[Int(timelineOf[position])].count
        guard entry.length > 0 else {
            var none: UInt8 = 0
            let isValid = withUnsafePointer(to: &none) {
                ValueColumnDecoder.read(entry, stream: $0, count: count, into: values)
            }
            guard isValid else { throw .invalid("value class") }
            return
        }
        let index = frameIndex(Int(entry.offset))
        let frame = frames[index]
        let offset = Int(entry.offset) - frame.rawStart
        guard offset + Int(entry.length) <= frame.rawBytes else { throw .invalid("frame") }
        let isValid = try inflated(index).withUnsafeBufferPointer { raw in
            guard let base = raw.baseAddress else { return false }
            return ValueColumnDecoder.read(entry, stream: base + offset, count: count, into: values)
        }
        guard isValid else { throw .invalid("value stream") }
    }

    private func frameIndex(_ offset: Int) -> Int {
        var (low, high) = (0, frames.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if frames[middle].rawStart <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private func inflated(_ index: Int) throws(WireError) -> [UInt8] {
        if let hit = cache.first(where: { $0.frame == index }) { return hit.bytes }
        let frame = frames[index]
        var result: Result<[UInt8], ZstdError> = .failure(.outOfMemory)
        bytes.withUnsafeBytes { bytes in
            let slice = UnsafeRawBufferPointer(rebasing: bytes[frame.start..<frame.start + frame.bytes])
            result = Result { () throws(ZstdError) in
                try decompressor.decompress(slice, boundBytes: frame.rawBytes)
            }
        }
        guard case .success(let raw) = result, raw.count == frame.rawBytes else { throw .invalid("frame") }
        if cache.count < Self.cachedFramesMax {
            cache.append((index, raw))
        } else {
            cache[cacheNext] = (index, raw)
            cacheNext = (cacheNext + 1) % Self.cachedFramesMax
        }
        return raw
    }

    private func readAll(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var cursor = ColumnCursor(bytes)
        let version = cursor.byte()
        guard cursor.isValid else { throw .truncated("chunk version") }
        guard version == ChunkGroup.version else { throw .unsupportedVersion(version) }
        let flags = cursor.byte()
        guard flags & ~(ChunkGroup.summariesFlag | ChunkGroup.startsFlag | ChunkGroup.anomaliesFlag) == 0 else {
            throw .invalid("chunk flags")
        }
        let compressed = cursor.take(cursor.count(max: cursor.remaining))
        guard cursor.isValid else { throw .truncated("chunk head") }
        let head: [UInt8]
        do throws(ZstdError) {
            head = try decompressor.decompress(compressed, boundBytes: ChunkGroup.headBytesMax)
        } catch {
            throw .invalid("chunk head")
        }
        var failure: WireError?
        let framesStart = bytes.count - cursor.remaining
        head.withUnsafeBytes { head in
            do throws(WireError) {
                try readHead(head, flags: flags, framesStart: framesStart, framesBytes: cursor.remaining)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private func readHead(
        _ head: UnsafeRawBufferPointer, flags: UInt8, framesStart: Int, framesBytes: Int
    ) throws(WireError) {
        var cursor = ColumnCursor(head)
        let timelineCount = cursor.count(max: ChunkGroup.timelinesMax)
        guard timelineCount > 0 else { throw .invalid("timelines") }
        for _ in 0..<timelineCount {
            var timestamps: [Int64] = []
            try TimestampColumn.read(&cursor, into: &timestamps)
            timelines.append(timestamps)
        }
        try SeriesNumberColumn.read(
            &cursor, countMax: min(ChunkGroup.seriesMax, cursor.remaining), limit: 1 << 62, into: &series)
        while timelineOf.count < series.count {
            let timeline = cursor.count(max: timelineCount - 1)
            let excess = cursor.varint()
            guard cursor.isValid, excess < UInt64(series.count - timelineOf.count) else { throw .invalid("timelines") }
            sampleCount += timelines[timeline].count * (Int(excess) + 1)
            guard sampleCount <= ChunkGroup.samplesMax else { throw .tooLarge("samples") }
            timelineOf.append(contentsOf: repeatElement(UInt16(timeline), count: Int(excess) + 1))
        }
        if flags & ChunkGroup.startsFlag != 0 {
            try StartTimestampColumn.read(&cursor, count: series.count, into: &startTimestamps)
        }
        if flags & ChunkGroup.anomaliesFlag != 0 { try readAnomalies(&cursor) }
        let rawBytes = try readFrames(&cursor, framesStart: framesStart, framesBytes: framesBytes)
        let columns = try ValueColumnSection.readColumns(&cursor, seriesCount: series.count)
        try directory.read(columns, seriesCount: series.count, streamBytesMax: rawBytes) {
            timelines[Int(timelineOf[$0])].count
        }
        guard directory.streamBytes == rawBytes else { throw .invalid("frames") }
        if flags & ChunkGroup.summariesFlag != 0 { try readSummaries(&cursor) }
        guard cursor.isFinished else { throw .invalid("chunk head") }
    }

    /// - Returns: the raw bytes of all frames.
    private func readFrames(
        _ cursor: inout ColumnCursor, framesStart: Int, framesBytes: Int
    ) throws(WireError) -> Int {
        let count = cursor.count(max: ChunkGroup.framesMax)
        var start = framesStart
        var rawStart = 0
        for _ in 0..<count {
            let raw = cursor.count(max: ChunkGroup.frameBytesMax)
            let size = cursor.count(max: framesStart + framesBytes - start)
            guard cursor.isValid, raw > 0, size > 0 else { throw .invalid("frames") }
            frames.append(Frame(rawStart: rawStart, rawBytes: raw, start: start, bytes: size))
            rawStart += raw
            start += size
        }
        guard cursor.isValid, start == framesStart + framesBytes else { throw .invalid("frames") }
        return rawStart
    }

    private func readAnomalies(_ cursor: inout ColumnCursor) throws(WireError) {
        let count = cursor.count(max: min(series.count, cursor.remaining))
        var next = 0
        for _ in 0..<count {
            let index = next + cursor.count(max: series.count)
            guard cursor.isValid, index < series.count else { throw .invalid("anomalies") }
            let values = timelines[Int(timelineOf[index])].count
            let positions = cursor.count(max: min(values, cursor.remaining))
            var list: [Int] = []
            list.reserveCapacity(positions)
            var expected = 0
            for _ in 0..<positions {
                let position = expected + cursor.count(max: values)
                guard cursor.isValid, position < values else { throw .invalid("anomalies") }
                list.append(position)
                expected = position + 1
            }
            anomalies[index] = list
            next = index + 1
        }
    }

    private func readSummaries(_ cursor: inout ColumnCursor) throws(WireError) {
        summaries.reserveCapacity(series.count)
        for index in series.indices {
            let entry = directory.entries[index]
            let count = timelines[Int(timelineOf[index])].count
            var value = 0.0
            if entry.isConstant { try read(index, constant: &value) }
            summaries.append(ChunkSummary(constant: value, count: count))
        }
        for field in [\ChunkSummary.sum, \.min, \.max, \.last] {
            for index in series.indices where !directory.entries[index].isConstant {
                summaries[index][keyPath: field] = Double(bitPattern: cursor.word())
            }
        }
    }

    private func read(_ position: Int, constant value: inout Double) throws(WireError) {
        var none: UInt8 = 0
        let entry = directory.entries[position]
        let isValid = withUnsafePointer(to: &none) { none in
            ValueColumnDecoder.read(entry, stream: none, count: 1, into: &value)
        }
        guard isValid else { throw .invalid("value class") }
    }
}
