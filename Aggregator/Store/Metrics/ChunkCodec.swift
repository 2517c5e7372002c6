import Telemetry
import WireFormat

/// A chunk group: the samples of the series of one slice over one window, as level 1 keeps them. Version 1:
///
///     version u8 · number of parts (varint) · per part: first id (varint distance from the previous part's),
///     ids spanned (varint), bytes (varint) · the parts, each one zstd frame of a metric block whose series numbers
///     count from the part's first id and whose one table has a zero hash and the spanned ids as its count
///
/// A part holds about ``partSamples`` samples, so that reading one series inflates little; series that were sampled
/// at the same instants share one timestamp column.
enum ChunkCodec {
    static let version: UInt8 = 1
    /// A part's samples, unless a single series has more.
    static let partSamples = 500_000
    static let partsMax = 4096
    /// Ids that one part may span: what a metric block takes.
    static let spanMax = SeriesTable.seriesMax

    /// Where a part stands within the body.
    struct Part {
        let low: UInt32
        let span: UInt32
        let bytes: Range<Int>
    }

    static func encode(_ columns: SeriesColumns) throws -> [UInt8] {
        var directory = ByteWriter()
        var frames: [[UInt8]] = []
        var previous: UInt32 = 0
        var start = 0
        while start < columns.series.count {
            var end = start
            var samples = 0
            while end < columns.series.count, end == start || samples + columns.span(end).count <= partSamples {
                samples += columns.span(end).count
                end += 1
            }
            let low = columns.series[start]
            let span = columns.series[end - 1] - low + 1
            let frame = try encodePart(columns, start..<end, low: low, span: span)
            directory.write(varint: UInt64(low - previous))
            directory.write(varint: UInt64(span))
            directory.write(varint: UInt64(frame.count))
            frames.append(frame)
            previous = low
            start = end
        }
        var body = ByteWriter(reserving: directory.bytes.count + 8 + frames.reduce(0) { $0 + $1.count })
        body.write(version)
        body.write(varint: UInt64(frames.count))
        body.write(directory.bytes)
        for frame in frames { body.write(frame) }
        return body.bytes
    }

    private static func encodePart(
        _ columns: SeriesColumns, _ positions: Range<Int>, low: UInt32, span: UInt32
    ) throws -> [UInt8] {
        var batch = MetricBatch()
        var groups: [ArraySlice<Int64>: Int] = [:]
        var current: (times: ArraySlice<Int64>, group: Int)?
        for position in positions {
            let range = columns.span(position)
            let times = columns.timestamps[range]
            // Neighbours mostly share their instants; then no hash is needed.
            if let known = current, known.times.count == times.count, known.times.elementsEqual(times) {
            } else if let group = groups[times] {
                current = (times, group)
            } else {
                current = (times, batch.groups.count)
                groups[times] = batch.groups.count
                batch.groups.append(MetricBatch.Group(timestamps: Array(times), series: [], values: []))
            }
            guard let group = current?.group else { continue }
            batch.groups[group].series.append(columns.series[position] - low)
            batch.groups[group].values.append(contentsOf: columns.values[range])
        }
        return try CodecPool.shared.use { codec in
            try codec.body.compress(
                codec.encoder.encode(batch, tables: [TableReference(hash: .zero, count: span)]))
        }
    }

    static func parts(_ body: UnsafeRawBufferPointer) throws(WireError) -> [Part] {
        var reader = ByteReader(body)
        let found = try reader.readByte("version")
        guard found == version else { throw .unsupportedVersion(found) }
        var places: [(low: UInt32, span: UInt32, count: Int)] = []
        var low: UInt64 = 0
        for _ in 0..<(try reader.readCount("parts", max: partsMax)) {
            low &+= UInt64(try reader.readCount("first id", max: Int(UInt32.max)))
            let span = try reader.readCount("ids", max: spanMax)
            guard low + UInt64(span) <= UInt64(UInt32.max) else { throw .invalid("ids") }
            places.append((UInt32(low), UInt32(span), try reader.readCount("part length", max: body.count)))
        }
        var parts: [Part] = []
        for place in places {
            let start = reader.offset
            _ = try reader.readBytes(place.count, "part")
            parts.append(Part(low: place.low, span: place.span, bytes: start..<start + place.count))
        }
        try reader.finish()
        return parts
    }

    /// Everything in it, for merging.
    static func decode(_ body: [UInt8]) throws -> SeriesColumns {
        var columns = SeriesColumns()
        let chunk = try StoredChunk(body)
        for part in chunk.parts {
            let batch = try chunk.inflate(part)
            var places: [(series: UInt32, group: Int, position: Int)] = []
            for (number, group) in batch.groups.enumerated() {
                for (position, series) in group.series.enumerated() { places.append((series, number, position)) }
            }
            places.sort { $0.series < $1.series }
            for place in places {
                let group = batch.groups[place.group]
                let count = group.timestamps.count
                columns.append(
                    part.low + place.series, group.timestamps[...],
                    group.values[place.position * count..<(place.position + 1) * count])
            }
        }
        return columns
    }
}

/// A chunk group as a reader keeps it: compressed, with the part that was read last inflated.
final class StoredChunk {
    let parts: [ChunkCodec.Part]
    private let body: [UInt8]
    private var inflated: (index: Int, batch: MetricBatch)?

    init(_ body: [UInt8]) throws {
        self.body = body
        parts = try body.withUnsafeBytes { bytes throws(WireError) in try ChunkCodec.parts(bytes) }
    }

    /// What it holds in memory, about; the inflated part is counted by the samples it may have.
    var bytes: Int { body.count + (inflated?.batch.sampleCount ?? 0) * 8 }

    func inflate(_ part: ChunkCodec.Part) throws -> MetricBatch {
        try CodecPool.shared.use { codec in
            let block = try body.withUnsafeBytes {
                try codec.body.decompress(UnsafeRawBufferPointer(rebasing: $0[part.bytes]))
            }
            try codec.decoder.decode(block)
            guard codec.decoder.tables.map(\.count) == [part.span] else { throw WireError.invalid("part's ids") }
            return codec.decoder.batch()
        }
    }

    /// Appends the samples of one series, if it is here.
    func append(_ series: UInt32, to run: inout SampleRun) throws {
        guard let index = parts.firstIndex(where: { $0.low <= series && series - $0.low < $0.span }) else { return }
        if inflated?.index != index { inflated = (index, try inflate(parts[index])) }
        guard let batch = inflated?.batch else { return }
        let number = series - parts[index].low
        for group in batch.groups {
            guard let position = group.position(of: number) else { continue }
            let count = group.timestamps.count
            run.append(group.timestamps[...], group.values[position * count..<(position + 1) * count])
        }
    }

    /// Lets go of what is inflated.
    func deflate() { inflated = nil }
}

extension MetricBatch.Group {
    /// Where a series stands in the group. O(log series).
    func position(of number: UInt32) -> Int? {
        var low = 0
        var high = series.count
        while low < high {
            let middle = (low + high) / 2
            if series[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < series.count && series[low] == number ? low : nil
    }
}
