public import Compression

/// A chunk group whose directory has been read: what readers on any thread may share and a cache may keep.
///
/// Memory: the group's bytes and about 80 bytes per series.
public final class OpenedChunkGroup: Sendable {
    public let bytes: [UInt8]
    let contents: Contents

    /// What the head of a group says.
    struct Contents: Sendable {
        /// Series numbers in ascending order; positions count in this array.
        var series: [UInt64] = []
        var timelines: [[Int64]] = []
        var timelineOf: [UInt16] = []
        /// By position; empty if none is known.
        var startTimestamps: [Int64] = []
        var sampleCount = 0
        /// Positions of anomalous values by position of the series.
        var anomalies: [Int: [Int]] = [:]
        /// By position; empty if the group does not keep them. Those of packed series stand in their streams.
        var lasts: [Double] = []
        var directory = ValueColumnDirectory()
        var frames: [Frame] = []
        /// Where the packed streams lie; at least eight bytes follow them.
        var packedStart = 0
    }

    /// Where a frame's bytes lie, and which of the raw bytes it holds.
    struct Frame: Sendable {
        var rawStart: Int
        var rawBytes: Int
        var start: Int
        var bytes: Int
    }

    /// - Throws: ``WireError`` for any bytes that are no valid group.
    public init(_ bytes: [UInt8], decompressor: ZstdDecompressor) throws(WireError) {
        self.bytes = bytes
        var contents = Contents()
        var failure: WireError?
        bytes.withUnsafeBytes { bytes in
            do throws(WireError) { try contents.read(bytes, decompressor) } catch { failure = error }
        }
        if let failure { throw failure }
        self.contents = contents
        costBytes =
            bytes.count + contents.series.count * 50 + contents.lasts.count * 8
            + contents.timelines.reduce(0) { $0 + $1.count * 8 + 32 } + contents.directory.streamBytes
    }

    /// Memory that it takes together with all its frames inflated, about.
    public let costBytes: Int

    /// Without its frames.
    public var unreadBytes: Int { costBytes - contents.directory.streamBytes }
}

extension OpenedChunkGroup.Contents {
    mutating func read(_ bytes: UnsafeRawBufferPointer, _ decompressor: ZstdDecompressor) throws(WireError) {
        var cursor = ColumnCursor(bytes)
        let version = cursor.byte()
        guard cursor.isValid else { throw .truncated("chunk version") }
        guard ChunkGroup.versionsRead.contains(version) else { throw .unsupportedVersion(version) }
        let flags = cursor.byte()
        guard flags & ~(ChunkGroup.lastsFlag | ChunkGroup.startsFlag | ChunkGroup.anomaliesFlag) == 0 else {
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
                try readHead(head, version, flags: flags, framesStart: framesStart, bytes: bytes)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private mutating func readHead(
        _ head: UnsafeRawBufferPointer, _ version: UInt8, flags: UInt8, framesStart: Int,
        bytes: UnsafeRawBufferPointer
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
        let rawBytes = try readFrames(&cursor, start: framesStart, end: bytes.count)
        let packedBytes = version > 1 ? try readPackedBytes(&cursor, bytes) : 0
        guard version > 1 || packedStart == bytes.count else { throw .invalid("frames") }
        let columns = try ValueColumnSection.readColumns(&cursor, seriesCount: series.count)
        try directory.read(
            columns, seriesCount: series.count, streamBytesMax: rawBytes,
            packedBytesMax: version > 1 ? packedBytes : nil
        ) {
            timelines[Int(timelineOf[$0])].count
        }
        guard directory.streamBytes == rawBytes, directory.packedBytes == packedBytes else { throw .invalid("frames") }
        if flags & ChunkGroup.lastsFlag != 0 {
            if version == 1 { try readSummaries(&cursor) } else { try readLasts(&cursor) }
        }
        guard cursor.isFinished else { throw .invalid("chunk head") }
    }

    /// Frames from `start` on; what follows them starts at ``packedStart``.
    /// - Returns: the raw bytes of all frames.
    private mutating func readFrames(
        _ cursor: inout ColumnCursor, start framesStart: Int, end: Int
    ) throws(WireError) -> Int {
        let count = cursor.count(max: ChunkGroup.framesMax)
        var start = framesStart
        var rawStart = 0
        for _ in 0..<count {
            let raw = cursor.count(max: ChunkGroup.frameBytesMax)
            let size = cursor.count(max: end - start)
            guard cursor.isValid, raw > 0, size > 0 else { throw .invalid("frames") }
            frames.append(OpenedChunkGroup.Frame(rawStart: rawStart, rawBytes: raw, start: start, bytes: size))
            rawStart += raw
            start += size
        }
        guard cursor.isValid else { throw .invalid("frames") }
        packedStart = start
        return rawStart
    }

    /// - Returns: the bytes of all packed streams, the last in the group but for their padding.
    private func readPackedBytes(
        _ cursor: inout ColumnCursor, _ bytes: UnsafeRawBufferPointer
    ) throws(WireError) -> Int {
        let count = cursor.count(max: ChunkGroup.packedBytesMax)
        let padding = count > 0 ? PackedStream.paddingBytes : 0
        guard cursor.isValid, count + padding == bytes.count - packedStart,
            bytes[(packedStart + count)...].allSatisfy({ $0 == 0 })
        else { throw .invalid("packed streams") }
        return count
    }

    private mutating func readAnomalies(_ cursor: inout ColumnCursor) throws(WireError) {
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

    /// Version 1: sums, minima, maxima and last values of all that is not constant, of which the last are kept.
    private mutating func readSummaries(_ cursor: inout ColumnCursor) throws(WireError) {
        let moving = try enterConstants()
        _ = cursor.take(moving.count * 3 * 8)
        for index in moving { lasts[index] = Double(bitPattern: cursor.word()) }
    }

    private mutating func readLasts(_ cursor: inout ColumnCursor) throws(WireError) {
        for index in try enterConstants() {
            let entry = directory.entries[index]
            guard !entry.isPacked else { continue }
            if entry.valueClass & 7 == ValueClass.Kind.xor.rawValue {
                lasts[index] = Double(bitPattern: cursor.word())
            } else {
                let scale = ValueClass.scale(Int(entry.valueClass >> 3 & 7))
                lasts[index] = Double(entry.first &+ cursor.zigzag() &* entry.multiplier) / scale
            }
        }
    }

    /// Makes ``lasts`` hold the values of constants.
    /// - Returns: the positions of all other series.
    private mutating func enterConstants() throws(WireError) -> [Int] {
        lasts = [Double](repeating: 0, count: series.count)
        var moving: [Int] = []
        for index in series.indices {
            if directory.entries[index].isConstant {
                try read(index, constant: &lasts[index])
            } else {
                moving.append(index)
            }
        }
        return moving
    }

    func read(_ position: Int, constant value: inout Double) throws(WireError) {
        var none: UInt8 = 0
        let entry = directory.entries[position]
        let isValid = withUnsafePointer(to: &none) { none in
            ValueColumnDecoder.read(entry, stream: none, count: 1, into: &value)
        }
        guard isValid else { throw .invalid("value class") }
    }
}
