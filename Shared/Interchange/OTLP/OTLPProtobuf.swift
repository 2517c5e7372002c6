/// Reads `ExportMetricsServiceRequest` from protobuf (opentelemetry-proto 1.x).
struct OTLPProtobuf {
    /// Resources, metrics, points, attributes and their values that may still come.
    private var itemsLeft: Int
    /// Nesting of attribute values.
    private static var depthMax: Int { 16 }

    init(itemsMax: Int) { itemsLeft = itemsMax }

    /// Each item costs some hundred bytes of memory and may stand in two bytes of the body.
    private mutating func count(_ reader: ProtobufReader) throws(InterchangeError) {
        guard itemsLeft > 0 else { throw reader.error("more than \(OTLPDecoder.itemsMax) items") }
        itemsLeft -= 1
    }

    mutating func request(_ body: UnsafeRawBufferPointer) throws(InterchangeError) -> OTLPRequest {
        var request = OTLPRequest()
        var reader = ProtobufReader(body)
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes): request.resources.append(try resource(try reader.message()))
            default: try reader.skip(field.type)
            }
        }
        return request
    }

    private mutating func resource(_ message: ProtobufReader) throws(InterchangeError) -> OTLPRequest.Resource {
        var reader = message
        try count(reader)
        var resource = OTLPRequest.Resource()
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes): try attributes(1, of: try reader.message(), into: &resource.attributes)
            case (2, .bytes): try scope(try reader.message(), into: &resource.metrics)
            default: try reader.skip(field.type)
            }
        }
        return resource
    }

    private mutating func scope(
        _ message: ProtobufReader, into metrics: inout [OTLPMetric]
    ) throws(InterchangeError) {
        var reader = message
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (2, .bytes): metrics.append(try metric(try reader.message()))
            default: try reader.skip(field.type)
            }
        }
    }

    private mutating func metric(_ message: ProtobufReader) throws(InterchangeError) -> OTLPMetric {
        var reader = message
        try count(reader)
        var metric = OTLPMetric()
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes): metric.name = try reader.string()
            case (2, .bytes): metric.description = try reader.string()
            case (3, .bytes): metric.unit = try reader.string()
            case (5, .bytes): try data(.gauge, try reader.message(), into: &metric)
            case (7, .bytes): try data(.sum, try reader.message(), into: &metric)
            case (9, .bytes): try data(.histogram, try reader.message(), into: &metric)
            case (10, .bytes): try data(.exponentialHistogram, try reader.message(), into: &metric)
            case (11, .bytes): try data(.summary, try reader.message(), into: &metric)
            default: try reader.skip(field.type)
            }
        }
        return metric
    }

    /// Gauge, Sum, Histogram, ExponentialHistogram and Summary number their fields alike: points 1, temporality 2,
    /// monotonic 3.
    private mutating func data(
        _ kind: OTLPMetric.Kind, _ message: ProtobufReader, into metric: inout OTLPMetric
    ) throws(InterchangeError) {
        var reader = message
        metric.kind = kind
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes):
                try count(reader)
                let part = try reader.message()
                switch kind {
                case .histogram: metric.points.append(try histogramPoint(part))
                case .exponentialHistogram: metric.points.append(OTLPPoint())
                default: metric.points.append(try point(kind, part))
                }
            case (2, .varint): metric.temporality = try reader.varint()
            case (3, .varint): metric.isMonotonic = try reader.varint() != 0
            default: try reader.skip(field.type)
            }
        }
    }

    /// `NumberDataPoint` and `SummaryDataPoint`, which share start 2, time 3, attributes 7 and flags 8.
    private mutating func point(_ kind: OTLPMetric.Kind, _ message: ProtobufReader) throws(InterchangeError)
        -> OTLPPoint
    {
        var reader = message
        var point = OTLPPoint()
        while let field = try reader.nextField() {
            switch (field.number, field.type, kind) {
            case (2, .fixed64, _): point.startNanoseconds = try reader.fixed64()
            case (3, .fixed64, _): point.timeNanoseconds = try reader.fixed64()
            case (7, .bytes, _): point.attributes.append(try attribute(try reader.message(), depth: 0))
            case (8, .varint, _): point.flags = try reader.varint()
            case (4, .fixed64, .summary): point.count = try reader.fixed64()
            case (5, .fixed64, .summary): point.sum = try reader.double()
            case (6, .bytes, .summary): point.quantiles.append(try quantile(try reader.message()))
            case (4, .fixed64, _): point.value = try reader.double()
            case (6, .fixed64, _): point.value = Double(Int64(bitPattern: try reader.fixed64()))
            default: try reader.skip(field.type)
            }
        }
        return point
    }

    private mutating func quantile(_ message: ProtobufReader) throws(InterchangeError) -> (
        quantile: Double, value: Double
    ) {
        var reader = message
        try count(reader)
        var result = (quantile: 0.0, value: 0.0)
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .fixed64): result.quantile = try reader.double()
            case (2, .fixed64): result.value = try reader.double()
            default: try reader.skip(field.type)
            }
        }
        return result
    }

    private mutating func histogramPoint(_ message: ProtobufReader) throws(InterchangeError) -> OTLPPoint {
        var reader = message
        var point = OTLPPoint()
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (2, .fixed64): point.startNanoseconds = try reader.fixed64()
            case (3, .fixed64): point.timeNanoseconds = try reader.fixed64()
            case (4, .fixed64): point.count = try reader.fixed64()
            case (5, .fixed64): point.sum = try reader.double()
            case (6, .fixed64): point.bucketCounts.append(try reader.fixed64())
            case (6, .bytes):
                var packed = try reader.message()
                while packed.position < packed.end { point.bucketCounts.append(try packed.fixed64()) }
            case (7, .fixed64): point.bounds.append(try reader.double())
            case (7, .bytes):
                var packed = try reader.message()
                while packed.position < packed.end { point.bounds.append(try packed.double()) }
            case (9, .bytes): point.attributes.append(try attribute(try reader.message(), depth: 0))
            case (10, .varint): point.flags = try reader.varint()
            default: try reader.skip(field.type)
            }
        }
        return point
    }

    // MARK: attributes

    private mutating func attributes(
        _ number: UInt32, of message: ProtobufReader, into attributes: inout [OTLPAttribute]
    ) throws(InterchangeError) {
        var reader = message
        while let field = try reader.nextField() {
            guard field.number == number, field.type == .bytes else {
                try reader.skip(field.type)
                continue
            }
            attributes.append(try attribute(try reader.message(), depth: 0))
        }
    }

    private mutating func attribute(_ message: ProtobufReader, depth: Int) throws(InterchangeError) -> OTLPAttribute {
        var reader = message
        try count(reader)
        var attribute = OTLPAttribute()
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes): attribute.key = try reader.string()
            case (2, .bytes): attribute.value = try value(try reader.message(), depth: depth)
            default: try reader.skip(field.type)
            }
        }
        return attribute
    }

    private mutating func value(_ message: ProtobufReader, depth: Int) throws(InterchangeError) -> OTLPValue {
        var reader = message
        try count(reader)
        guard depth < Self.depthMax else { throw reader.error("an attribute nested deeper than \(Self.depthMax)") }
        var value = OTLPValue.none
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes): value = .string(try reader.string())
            case (2, .varint): value = .boolean(try reader.varint() != 0)
            case (3, .varint): value = .integer(try reader.int64())
            case (4, .fixed64): value = .double(try reader.double())
            case (5, .bytes):
                var list = try reader.message()
                var values: [OTLPValue] = []
                while let field = try list.nextField() {
                    if field.number == 1, field.type == .bytes {
                        values.append(try self.value(try list.message(), depth: depth + 1))
                    } else {
                        try list.skip(field.type)
                    }
                }
                value = .array(values)
            case (6, .bytes):
                var list = try reader.message()
                var pairs: [OTLPAttribute] = []
                while let field = try list.nextField() {
                    if field.number == 1, field.type == .bytes {
                        pairs.append(try attribute(try list.message(), depth: depth + 1))
                    } else {
                        try list.skip(field.type)
                    }
                }
                value = .map(pairs)
            case (7, .bytes): value = .bytes(Array(reader.base[try reader.bytes()]))
            default: try reader.skip(field.type)
            }
        }
        return value
    }
}

extension ProtobufReader {
    /// A reader over the embedded message that stands here.
    mutating func message() throws(InterchangeError) -> ProtobufReader { ProtobufReader(base, try bytes()) }
}
