/// What became of one OTLP metrics request.
public struct OTLPBatch: Sendable, Equatable {
    /// Families named and typed as Prometheus' OTLP receiver does, and their samples.
    public var exposition = Exposition()
    /// Data points that were translated; one histogram point is many samples.
    public var pointCount = 0
    /// Data points that were not.
    public var rejectedPointCount = 0
    /// The first reason.
    public var problem: String?

    public init() {}

    /// The answer that OTLP/HTTP asks for, an `ExportMetricsServiceResponse`: empty, or with a partial success.
    public func response(_ encoding: OTLPEncoding) -> [UInt8] {
        guard rejectedPointCount > 0 else { return encoding == .json ? Array("{}".utf8) : [] }
        let message = problem ?? ""
        switch encoding {
        case .json:
            let text = OTLPValue.map([OTLPAttribute(key: "errorMessage", value: .string(message))]).text.dropFirst()
            return Array("{\"partialSuccess\":{\"rejectedDataPoints\":\"\(rejectedPointCount)\",\(text)}".utf8)
        case .protobuf:
            var partial = ProtobufWriter()
            partial.varint(1, UInt64(rejectedPointCount))
            partial.bytes(2, Array(message.utf8))
            var response = ProtobufWriter()
            response.bytes(1, partial.bytes)
            return response.bytes
        }
    }
}

/// The two body encodings of OTLP/HTTP.
public enum OTLPEncoding: Sendable, CaseIterable {
    case protobuf, json

    public var contentType: String { self == .json ? "application/json" : "application/x-protobuf" }

    /// - Returns: nil for other media types, to be answered with 415.
    public init?(contentType: String?) {
        let media = (contentType ?? "").split(separator: ";").first?.filter { $0 != " " }.lowercased()
        switch media {
        case "application/x-protobuf": self = .protobuf
        case "application/json": self = .json
        default: return nil
        }
    }
}
