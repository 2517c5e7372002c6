/// Decodes the bodies of OTLP/HTTP metrics into Prometheus series.
///
/// Total on any bytes; a body that is not such a request is refused as a whole, data points that cannot be
/// translated are counted.
/// - Complexity: some microseconds per data point; labels are built for each.
public enum OTLPDecoder {
    /// Resources, metrics, data points, attributes and values of one request; beyond it the request is refused.
    public static let itemsMax = 1_000_000
    /// A histogram's point is one sample per bucket.
    public static let samplesMax = 1_000_000

    public static func decode(_ body: [UInt8], _ encoding: OTLPEncoding) throws(InterchangeError) -> OTLPBatch {
        try body.withBytes { bytes throws(InterchangeError) in try decode(bytes, encoding) }
    }

    /// - Throws: when the bytes are no request, or hold too many points: to be answered with 400.
    public static func decode(
        _ body: UnsafeRawBufferPointer, _ encoding: OTLPEncoding
    ) throws(InterchangeError) -> OTLPBatch {
        let request: OTLPRequest
        switch encoding {
        case .protobuf:
            var reader = OTLPProtobuf(itemsMax: itemsMax)
            request = try reader.request(body)
        case .json:
            var reader = OTLPJSON(body, itemsMax: itemsMax)
            request = try reader.request()
        }
        return try OTLPTranslator.translate(request, samplesMax: samplesMax)
    }
}
