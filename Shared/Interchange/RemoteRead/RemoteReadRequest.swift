/// `prometheus.ReadRequest` of Prometheus remote read, after inflating its snappy block.
///
///     ReadRequest   queries 1 (Query, repeated), accepted_response_types 2 (enum, repeated, packed or not)
///     Query         start_timestamp_ms 1, end_timestamp_ms 2 (int64), matchers 3 (LabelMatcher), hints 4
///     LabelMatcher  type 1 (0 =, 1 !=, 2 =~, 3 !~), name 2, value 3
///
/// Hints say what becomes of the samples; they are passed over, since they change nothing of what is asked for.
public struct RemoteReadRequest: Sendable, Equatable {
    /// Of one request, and of one query.
    public static let queriesMax = 64
    public static let matchersMax = 64
    public static let bytesMax = 1 << 20

    /// How the answer is written.
    public enum ResponseType: Sendable {
        /// One `ReadResponse` in a snappy block.
        case samples
        /// `ChunkedReadResponse` messages, one after the other.
        case chunks

        public var contentType: String {
            switch self {
            case .samples: "application/x-protobuf"
            case .chunks: "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
            }
        }
    }
    public enum Operation: Int, Sendable { case equal, notEqual, matches, notMatches }
    public struct Matcher: Sendable, Equatable {
        public var operation = Operation.equal
        public var name = ""
        public var value = ""
        public init(_ name: String = "", _ operation: Operation = .equal, _ value: String = "") {
            self.operation = operation
            self.name = name
            self.value = value
        }
    }
    public struct Query: Sendable, Equatable {
        /// Milliseconds, both included.
        public var start: Int64 = 0
        public var end: Int64 = 0
        public var matchers: [Matcher] = []
        public init() {}
    }
    public var queries: [Query] = []
    /// As the client listed them, what is not known left out; none: samples.
    public var accepted: [ResponseType] = []

    public init() {}

    /// The first of the accepted types, as Prometheus chooses.
    public var responseType: ResponseType { accepted.first ?? .samples }

    /// - Throws: when the bytes are no such message or exceed a bound.
    public init(decoding bytes: [UInt8]) throws(InterchangeError) {
        self = try bytes.withBytes { bytes throws(InterchangeError) in try RemoteReadRequest(bytes) }
    }

    private init(_ bytes: UnsafeRawBufferPointer) throws(InterchangeError) {
        guard bytes.count <= Self.bytesMax else {
            throw InterchangeError(.body, "a read request of more than \(Self.bytesMax) bytes")
        }
        var reader = ProtobufReader(bytes)
        var isUnknown = false
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .bytes):
                queries.append(try Self.query(ProtobufReader(bytes, try reader.bytes())))
                guard queries.count <= Self.queriesMax else {
                    throw reader.error("more than \(Self.queriesMax) queries")
                }
            case (2, .varint): accept(try reader.varint(), &isUnknown)
            case (2, .bytes):
                var list = ProtobufReader(bytes, try reader.bytes())
                while list.position < list.end { accept(try list.varint(), &isUnknown) }
            default: try reader.skip(field.type)
            }
        }
        guard !accepted.isEmpty || !isUnknown else {
            throw InterchangeError(.body, "none of the accepted response types is known: SAMPLES, STREAMED_XOR_CHUNKS")
        }
    }

    private mutating func accept(_ number: UInt64, _ isUnknown: inout Bool) {
        switch number {
        case 0: if !accepted.contains(.samples) { accepted.append(.samples) }
        case 1: if !accepted.contains(.chunks) { accepted.append(.chunks) }
        default: isUnknown = true
        }
    }

    private static func query(_ reader: ProtobufReader) throws(InterchangeError) -> Query {
        var reader = reader
        var query = Query()
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .varint): query.start = try reader.int64()
            case (2, .varint): query.end = try reader.int64()
            case (3, .bytes):
                query.matchers.append(try matcher(ProtobufReader(reader.base, try reader.bytes())))
                guard query.matchers.count <= matchersMax else {
                    throw reader.error("a query of more than \(matchersMax) matchers")
                }
            default: try reader.skip(field.type)
            }
        }
        return query
    }

    private static func matcher(_ reader: ProtobufReader) throws(InterchangeError) -> Matcher {
        var reader = reader
        var matcher = Matcher()
        while let field = try reader.nextField() {
            switch (field.number, field.type) {
            case (1, .varint):
                guard let operation = Operation(rawValue: Int(truncatingIfNeeded: try reader.varint())) else {
                    throw reader.error("a matcher of no known type")
                }
                matcher.operation = operation
            case (2, .bytes): matcher.name = try reader.string()
            case (3, .bytes): matcher.value = try reader.string()
            default: try reader.skip(field.type)
            }
        }
        return matcher
    }
}

extension RemoteReadRequest {
    /// The message's bytes, to be compressed as one snappy block.
    public var encoded: [UInt8] {
        var body = ProtobufWriter()
        for query in queries {
            var message = ProtobufWriter()
            message.varint(1, UInt64(bitPattern: query.start))
            message.varint(2, UInt64(bitPattern: query.end))
            for matcher in query.matchers {
                var field = ProtobufWriter()
                if matcher.operation != .equal { field.varint(1, UInt64(matcher.operation.rawValue)) }
                field.bytes(2, matcher.name.utf8)
                field.bytes(3, matcher.value.utf8)
                message.bytes(3, field.bytes)
            }
            body.bytes(1, message.bytes)
        }
        if !accepted.isEmpty {
            var list = ProtobufWriter()
            for type in accepted { list.packedVarint(type == .samples ? 0 : 1) }
            body.bytes(2, list.bytes)
        }
        return body.bytes
    }
}
