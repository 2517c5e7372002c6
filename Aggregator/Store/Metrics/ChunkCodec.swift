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
    static let partGroupsMax = 512
    static let partsMax = 4096
    /// Ids that one part may span: what a metric block takes.
    static let spanMax = SeriesTable.seriesMax

    struct NewPart {
        let low: UInt32
        let span: UInt32
        let frame: [UInt8]
    }
    /// Where a part stands within the body.
    struct Part {
        let low: UInt32
        let span: UInt32
        let bytes: Range<Int>
    }

    static func encode(_ batch: MetricBatch, span: UInt32) throws -> [UInt8] {
        try CodecPool.shared.use { codec in
            try codec.body.compress(codec.encoder.encode(batch, tables: [TableReference(hash: .zero, count: span)]))
        }
    }

    static func body(_ parts: [NewPart]) -> [UInt8] {
        var body = ByteWriter(reserving: 16 + parts.reduce(0) { $0 + $1.frame.count + 12 })
        body.write(version)
        body.write(varint: UInt64(parts.count))
        var previous: UInt32 = 0
        for part in parts {
            body.write(varint: UInt64(part.low - previous))
            body.write(varint: UInt64(part.span))
            body.write(varint: UInt64(part.frame.count))
            previous = part.low
        }
        for part in parts { body.write(part.frame) }
        return body.bytes
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

    /// Adds everything in a group to a merge.
    static func add(_ body: [UInt8], to merge: BlockMerge) throws {
        let chunk = try StoredChunk(body)
        for part in chunk.parts { try chunk.decode(part) { merge.add($0, low: part.low) } }
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

    /// What it holds in memory, about.
    var bytes: Int { body.count + (inflated?.batch.sampleCount ?? 0) * 8 }

    func decode<Result>(_ part: ChunkCodec.Part, _ use: (MetricBlockDecoder) throws -> Result) throws -> Result {
        try CodecPool.shared.use { codec in
            let block = try body.withUnsafeBytes {
                try codec.body.decompress(UnsafeRawBufferPointer(rebasing: $0[part.bytes]))
            }
            try codec.decoder.decode(block)
            guard codec.decoder.tables.map(\.count) == [part.span] else { throw WireError.invalid("part's ids") }
            return try use(codec.decoder)
        }
    }

    /// Appends the samples of one series, if it is here.
    func append(_ series: UInt32, to run: inout SampleRun) throws {
        guard let index = parts.firstIndex(where: { $0.low <= series && series - $0.low < $0.span }) else { return }
        if inflated?.index != index { inflated = (index, try decode(parts[index]) { $0.batch() }) }
        guard let batch = inflated?.batch else { return }
        let number = series - parts[index].low
        for group in batch.groups {
            if let position = group.position(of: number) { run.append(group, position: position) }
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
