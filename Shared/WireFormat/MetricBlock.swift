public import Telemetry

/// A series table that a metric block names, and how many series it holds.
public struct TableReference: Hashable, Sendable {
    public var hash: TableHash
    public var count: UInt32
    public init(hash: TableHash, count: UInt32) {
        self.hash = hash
        self.count = count
    }
}

/// Samples as bytes: layout in FORMAT.md, "Metric block". These functions are for single use; hot
/// paths keep a ``MetricBlockEncoder`` or ``MetricBlockDecoder``.
public enum MetricBlock {
    public static let version: UInt8 = 1
    /// All groups together.
    public static let samplesMax = 1_000_000
    public static let groupsMax = 1024
    public static let tablesMax = 64

    public static func encode(_ batch: MetricBatch, tables: [TableReference]) throws(WireError) -> [UInt8] {
        try MetricBlockEncoder().encode(batch, tables: tables)
    }

    /// Decodes everything.
    public static func decode(_ bytes: [UInt8]) throws(WireError) -> (tables: [TableReference], batch: MetricBatch) {
        let decoder = MetricBlockDecoder()
        try decoder.decode(bytes)
        return (decoder.tables, decoder.batch())
    }
}
