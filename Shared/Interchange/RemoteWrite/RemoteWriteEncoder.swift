public import Telemetry

/// Makes the (not yet compressed) bodies of remote write, series by series.
///
/// - Complexity: linear in the label bytes; 2.0 writes each distinct string once.
public struct RemoteWriteEncoder {
    public let version: RemoteWriteVersion
    public private(set) var sampleCount = 0
    private var body = ProtobufWriter()
    private var symbols: [String: UInt64] = [:]
    private var symbolTable = ProtobufWriter()

    public init(_ version: RemoteWriteVersion) {
        self.version = version
        if version == .two { _ = symbol("") }
    }

    /// Bytes so far, so that a caller can end a body in time.
    public var bytesCount: Int { body.bytes.count + symbolTable.bytes.count }

    /// Adds a series with its samples, whose timestamps must increase. A key's labels are sorted, as the
    /// specification asks.
    public mutating func add(
        _ key: SeriesKey, type: MetricType = .unknown, timestamps: some Collection<Int64>,
        values: some Collection<Double>
    ) {
        var series = ProtobufWriter()
        switch version {
        case .one:
            for label in key.labels {
                var field = ProtobufWriter()
                field.bytes(1, label.name.utf8)
                field.bytes(2, label.value.utf8)
                series.bytes(1, field.bytes)
            }
        case .two:
            var references = ProtobufWriter()
            for label in key.labels {
                references.packedVarint(symbol(label.name))
                references.packedVarint(symbol(label.value))
            }
            series.bytes(1, references.bytes)
        }
        for (timestamp, value) in zip(timestamps, values) {
            var sample = ProtobufWriter()
            sample.double(1, value)
            sample.varint(2, UInt64(bitPattern: timestamp))
            series.bytes(2, sample.bytes)
            sampleCount += 1
        }
        if version == .two, type != .unknown {
            var metadata = ProtobufWriter()
            metadata.varint(1, Self.typeNumber(type))
            series.bytes(5, metadata.bytes)
        }
        body.bytes(version == .one ? 1 : 5, series.bytes)
    }

    /// Adds a family's metadata; 1.0 only, 2.0 has it with each series.
    public mutating func add(_ family: MetricFamily) {
        guard version == .one else { return }
        var metadata = ProtobufWriter()
        metadata.varint(1, family.type == .gaugehistogram ? 4 : Self.typeNumber(family.type.metricType))
        metadata.bytes(2, family.name.utf8)
        metadata.bytes(4, family.help.utf8)
        metadata.bytes(5, family.unit.utf8)
        body.bytes(3, metadata.bytes)
    }

    /// - Returns: the body, to be compressed as one snappy block.
    public func finish() -> [UInt8] { symbolTable.bytes + body.bytes }

    private mutating func symbol(_ text: String) -> UInt64 {
        if let known = symbols[text] { return known }
        let number = UInt64(symbols.count)
        symbols[text] = number
        symbolTable.bytes(4, text.utf8)
        return number
    }

    private static func typeNumber(_ type: MetricType) -> UInt64 {
        switch type {
        case .unknown: 0
        case .counter: 1
        case .gauge: 2
        case .histogram: 3
        case .summary: 5
        case .info: 6
        case .stateset: 7
        }
    }
}
