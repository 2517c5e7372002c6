package import Telemetry
package import WireFormat

/// Decodes and fully validates the plaintext of batches. Thread-safe, stateless.
package protocol BodyDecoder: Sendable {
    /// - Returns: the tables that the block names, in order, and its samples.
    func metrics(_ body: [UInt8]) throws(WireError) -> (tables: [TableReference], samples: MetricBatch)
    /// - Returns: the bytes that the table's hash is taken over, and its series.
    func table(_ body: [UInt8]) throws(WireError) -> (encoded: [UInt8], series: [SeriesDescriptor])
    func events(_ body: [UInt8]) throws(WireError) -> [ListeningEvent]
    func findings(_ body: [UInt8]) throws(WireError) -> [Finding]
}
