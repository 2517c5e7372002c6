public import Telemetry

/// Series descriptors as bytes: layout in FORMAT.md, "Series table".
///
/// The bytes are canonical for a list of descriptors, so their hash names the list.
public enum SeriesTable {
    public static let version: UInt8 = 1
    public static let seriesMax = 20_000
    /// Distinct label names and values together.
    public static let stringsMax = 400_000

    /// - Throws: when there are too many series or one breaks ``SeriesLimits``.
    public static func encode(_ series: [SeriesDescriptor]) throws(WireError) -> [UInt8] {
        guard series.count <= seriesMax else { throw .tooLarge("series") }
        var strings = Set<[UInt8]>()
        for descriptor in series {
            let labels = descriptor.key.labels
            guard labels.count <= SeriesLimits.labelCountMax else { throw .tooLarge("labels") }
            for label in labels {
                guard label.name.utf8.count <= SeriesLimits.labelNameBytesMax else { throw .tooLarge("label name") }
                guard label.value.utf8.count <= SeriesLimits.labelValueBytesMax else { throw .tooLarge("label value") }
                strings.insert(Array(label.name.utf8))
                strings.insert(Array(label.value.utf8))
            }
        }
        // Sorted, each string shares its beginning with the one before.
        let sorted = strings.sorted { $0.lexicographicallyPrecedes($1) }
        var numbers: [[UInt8]: Int] = [:]
        var output = ByteColumn(capacity: 4096)
        output.append(version)
        output.append(varint: UInt64(sorted.count))
        var suffixes = ByteColumn()
        var before: [UInt8] = []
        for (index, bytes) in sorted.enumerated() {
            numbers[bytes] = index
            var shared = 0
            while shared < min(before.count, bytes.count), before[shared] == bytes[shared] { shared += 1 }
            output.append(varint: UInt64(shared))
            output.append(varint: UInt64(bytes.count - shared))
            suffixes.append(Array(bytes[shared...]))
            before = bytes
        }
        output.append(varint: UInt64(suffixes.count))
        output.append(suffixes.bytes)
        writeSeries(series, numbers, to: &output)
        return [UInt8](output.bytes)
    }

    /// Columns: types, label counts, name numbers, value numbers.
    private static func writeSeries(
        _ series: [SeriesDescriptor], _ numbers: [[UInt8]: Int], to output: inout ByteColumn
    ) {
        output.append(varint: UInt64(series.count))
        for descriptor in series { output.append(descriptor.type.rawValue) }
        for descriptor in series { output.append(UInt8(descriptor.key.labels.count)) }
        for descriptor in series {
            for label in descriptor.key.labels { output.append(varint: UInt64(numbers[Array(label.name.utf8)] ?? 0)) }
        }
        for descriptor in series {
            for label in descriptor.key.labels { output.append(varint: UInt64(numbers[Array(label.value.utf8)] ?? 0)) }
        }
    }

    public static func decode(_ bytes: [UInt8]) throws(WireError) -> [SeriesDescriptor] {
        var result: Result<[SeriesDescriptor], WireError> = .failure(.truncated("table"))
        bytes.withUnsafeBytes { bytes in
            result = Result { () throws(WireError) in try decode(bytes) }
        }
        return try result.get()
    }

    public static func decode(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [SeriesDescriptor] {
        var cursor = ColumnCursor(bytes)
        let found = cursor.byte()
        guard cursor.isValid else { throw .truncated("table version") }
        guard found == version else { throw .unsupportedVersion(found) }
        let strings = try readStrings(&cursor)
        let count = cursor.count(max: seriesMax)
        var types = ColumnCursor(cursor.take(count))
        let labelCounts = cursor.take(count)
        guard cursor.isValid else { throw .truncated("series") }
        var total = 0
        for labels in labelCounts {
            guard labels <= SeriesLimits.labelCountMax else { throw .tooLarge("labels") }
            total += Int(labels)
        }
        guard cursor.remaining >= 2 * total, total == 0 || !strings.isEmpty else { throw .truncated("labels") }
        var names: [Int] = []
        names.reserveCapacity(total)
        for _ in 0..<total { names.append(cursor.count(max: max(0, strings.count - 1))) }
        var series: [SeriesDescriptor] = []
        series.reserveCapacity(count)
        var position = 0
        for labelCount in labelCounts {
            guard let type = MetricType(rawValue: types.byte()) else { throw .invalid("metric type") }
            var labels: [Label] = []
            labels.reserveCapacity(Int(labelCount))
            for _ in 0..<labelCount {
                let value = cursor.count(max: max(0, strings.count - 1))
                guard cursor.isValid else { throw .invalid("labels") }
                let label = Label(strings[names[position]], strings[value])
                guard !label.value.isEmpty, label.name.utf8.count <= SeriesLimits.labelNameBytesMax else {
                    throw .invalid("labels")
                }
                labels.append(label)
                position += 1
            }
            let key = SeriesKey(labels: labels)
            guard key.labels == labels else { throw .invalid("label order") }
            series.append(SeriesDescriptor(key: key, type: type))
        }
        guard cursor.isValid else { throw .truncated("labels") }
        guard cursor.remaining == 0 else { throw .trailingBytes(cursor.remaining) }
        return series
    }

    private static func readStrings(_ cursor: inout ColumnCursor) throws(WireError) -> [String] {
        let count = cursor.count(max: min(stringsMax, cursor.remaining / 2))
        var lengths: [(shared: Int, suffix: Int)] = []
        lengths.reserveCapacity(count)
        for _ in 0..<count {
            let shared = cursor.count(max: SeriesLimits.labelValueBytesMax)
            lengths.append((shared, cursor.count(max: SeriesLimits.labelValueBytesMax)))
        }
        var suffixes = ColumnCursor(cursor.take(cursor.count(max: cursor.remaining)))
        guard cursor.isValid else { throw .truncated("strings") }
        var strings: [String] = []
        strings.reserveCapacity(count)
        var current: [UInt8] = []
        var totalBytes = 0
        for (shared, suffix) in lengths {
            guard shared <= current.count, shared + suffix <= SeriesLimits.labelValueBytesMax else {
                throw .invalid("string length")
            }
            current.removeLast(current.count - shared)
            current.append(contentsOf: suffixes.take(suffix))
            // Front coding expands: what it may expand to is bounded as a body is.
            totalBytes += current.count
            guard totalBytes <= WireLimits.bodyBytesMax else { throw .tooLarge("strings") }
            guard let text = String(validating: current, as: UTF8.self) else { throw .invalid("string") }
            strings.append(text)
        }
        guard suffixes.isFinished else { throw .invalid("strings") }
        return strings
    }
}
