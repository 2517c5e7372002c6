/// One series' samples alone, uncompressed: layout in FORMAT.md, "Chunk group".
public enum SeriesChunk {
    public static let version: UInt8 = 1

    /// - Throws: unless there are as many values as timestamps, 1...65,536, the latter strictly increasing.
    public static func encode(timestamps: [Int64], values: [Double]) throws(WireError) -> [UInt8] {
        guard timestamps.count == values.count else { throw .invalid("value count") }
        var output = ByteColumn(capacity: values.count * 2 + 64)
        output.append(version)
        var failure: WireError?
        timestamps.withUnsafeBufferPointer { timestamps in
            do throws(WireError) { try TimestampColumn.write(timestamps, to: &output) } catch { failure = error }
        }
        if let failure { throw failure }
        var encoder = ValueColumnEncoder()
        encoder.begin(seriesMax: 1)
        values.withUnsafeBufferPointer { values in
            if let base = values.baseAddress { encoder.add(base, count: values.count) }
        }
        ValueColumnSection.writeDirectory(encoder, to: &output)
        output.append(encoder.streams.bytes)
        return [UInt8](output.bytes)
    }

    public static func decode(_ bytes: [UInt8]) throws(WireError) -> (timestamps: [Int64], values: [Double]) {
        var timestamps: [Int64] = []
        var values: [Double] = []
        var failure: WireError?
        bytes.withUnsafeBytes { bytes in
            do throws(WireError) { try read(bytes, &timestamps, &values) } catch { failure = error }
        }
        if let failure { throw failure }
        return (timestamps, values)
    }

    private static func read(
        _ bytes: UnsafeRawBufferPointer, _ timestamps: inout [Int64], _ values: inout [Double]
    ) throws(WireError) {
        var cursor = ColumnCursor(bytes)
        let found = cursor.byte()
        guard cursor.isValid else { throw .truncated("chunk version") }
        guard found == version else { throw .unsupportedVersion(found) }
        try TimestampColumn.read(&cursor, into: &timestamps)
        let count = timestamps.count
        let columns = try ValueColumnSection.readColumns(&cursor, seriesCount: 1)
        var directory = ValueColumnDirectory()
        try directory.read(columns, seriesCount: 1, streamBytesMax: cursor.remaining) { _ in count }
        guard cursor.remaining == directory.streamBytes else { throw .invalid("stream length") }
        let entry = directory.entries[0]
        let stream = cursor.position
        var isValid = false
        values = [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            isValid = ValueColumnDecoder.read(entry, stream: stream, count: count, into: base)
            initialized = isValid ? count : 0
        }
        guard isValid else { throw .invalid("value stream") }
    }
}
