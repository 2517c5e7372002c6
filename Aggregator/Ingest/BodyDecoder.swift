package import Telemetry
package import WireFormat

/// Decodes and fully validates the plaintext of batches. Thread-safe, stateless.
package protocol BodyDecoder: Sendable {
    /// Every sample is decoded, to see whether it can be; none has to be kept.
    func metrics(_ body: [UInt8]) throws(WireError) -> MetricContent
    /// - Returns: the bytes that the table's hash is taken over, and its series.
    func table(_ body: [UInt8]) throws(WireError) -> (encoded: [UInt8], series: [SeriesDescriptor])
    /// Every event is checked, to see whether it can be decoded; those of large blocks are not kept.
    func events(_ body: [UInt8]) throws(WireError) -> EventContent
    func findings(_ body: [UInt8]) throws(WireError) -> [Finding]
    func metadata(_ body: [UInt8]) throws(WireError) -> [MetricMetadata]
}
