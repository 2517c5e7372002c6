/// What an `ExportMetricsServiceRequest` says, as far as it is translated; filled from protobuf and from JSON alike.
struct OTLPRequest {
    struct Resource {
        var attributes: [OTLPAttribute] = []
        var metrics: [OTLPMetric] = []
    }
    var resources: [Resource] = []
}

struct OTLPAttribute {
    var key = ""
    var value = OTLPValue.none
}

/// `AnyValue` of opentelemetry.proto.common.v1.
indirect enum OTLPValue {
    case none
    case string(String)
    case boolean(Bool)
    case integer(Int64)
    case double(Double)
    case array([OTLPValue])
    case map([OTLPAttribute])
    case bytes([UInt8])
}

struct OTLPMetric {
    enum Kind { case none, gauge, sum, histogram, exponentialHistogram, summary }

    var name = ""
    var description = ""
    var unit = ""
    var kind = Kind.none
    /// 1: delta, 2: cumulative; of sums and histograms.
    var temporality: UInt64 = 0
    var isMonotonic = false
    var points: [OTLPPoint] = []
}

/// A data point of any kind; each kind leaves the others' members as they are.
struct OTLPPoint {
    var attributes: [OTLPAttribute] = []
    var startNanoseconds: UInt64 = 0
    var timeNanoseconds: UInt64 = 0
    var flags: UInt64 = 0
    /// Of gauges and sums.
    var value: Double?
    /// Of histograms and summaries.
    var count: UInt64 = 0
    var sum: Double?
    var bucketCounts: [UInt64] = []
    var bounds: [Double] = []
    var quantiles: [(quantile: Double, value: Double)] = []

    /// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`: the series has ended.
    var hasNoValue: Bool { flags & 1 != 0 }
}

extension OTLPValue {
    /// As an attribute becomes a label's value: plain for simple values, JSON for arrays and maps.
    var text: String {
        switch self {
        case .none: ""
        case .string(let text): text
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .double(let value): NumberText.plain(value)
        case .bytes(let bytes): Base64.encode(bytes)
        case .array, .map: json
        }
    }

    private var json: String {
        switch self {
        case .none: "null"
        case .string(let text): Self.quoted(text)
        case .bytes(let bytes): Self.quoted(Base64.encode(bytes))
        case .double(let value) where !value.isFinite: Self.quoted(NumberText.plain(value))
        case .array(let values): "[" + values.map(\.json).joined(separator: ",") + "]"
        case .map(let pairs):
            "{" + pairs.map { "\(Self.quoted($0.key)):\($0.value.json)" }.joined(separator: ",") + "}"
        case .boolean, .integer, .double: text
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// RFC 4648, section 4, as attributes of type bytes are written.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for byte in group { word = word << 8 | UInt32(byte) }
            word <<= 8 * UInt32(3 - group.count)
            for place in 0..<4 {
                let isPadding = place > group.count
                result.append(
                    isPadding ? UInt8(ascii: "=") : alphabet[Int(word >> UInt32(18 - 6 * place)) & 63])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
