import Detection
import RuntimeSupport

/// Models end with a checksum, which nobody guesses: inputs are what stands before it.
extension FuzzTarget {
    static let models: [FuzzTarget] = [
        model("forest", seed: { try IsolationForest(rows: rows.span, columns: 2, parameters: small, using: &$0).bytes })
        {
            _ = try IsolationForest(bytes: $0).score(point.span)
        },
        model(
            "compact-forest",
            seed: {
                try CompactForest(
                    rows: rows.span, columns: 2, parameters: .init(treeCount: 3, sampleCount: 16), using: &$0
                ).bytes
            }
        ) { _ = try CompactForest(bytes: $0).score(point.span) },
        model(
            "core-points",
            seed: { _ in
                try CorePoints(
                    rows: rows.span, columns: 2, parameters: DBSCAN(radius: 1, neighbours: 4), limit: 20
                ).bytes
            }
        ) {
            _ = try CorePoints(bytes: $0).score(point.span)
        },
        model("metric-detector", seed: { _ in MetricDetector(configuration: DetectorConfiguration()).bytes }) {
            _ = try MetricDetector(bytes: $0, configuration: DetectorConfiguration())
        },
        model("group-detector", seed: { _ in GroupDetector(configuration: DetectorConfiguration(), columns: 3).bytes })
        {
            _ = try GroupDetector(bytes: $0, configuration: DetectorConfiguration())
        },
        model("peer-model") { _ = try PeerModel(bytes: $0) },
    ]

    private static let point: [Float] = [0.5, -3]
    private static let small = IsolationForest.Parameters(treeCount: 3, sampleCount: 16)
    private static let rows: [Float] = {
        var generator = SeededGenerator(seed: 50)
        return (0..<80).map { _ in Float.random(in: -2...2, using: &generator) }
    }()

    private static func model(
        _ name: String, seed: (@Sendable (inout SeededGenerator) throws -> [UInt8])? = nil,
        read: @escaping @Sendable ([UInt8]) throws -> Void
    ) -> FuzzTarget {
        FuzzTarget(
            name,
            seeds: {
                var generator = SeededGenerator(seed: 51)
                return (try? seed?(&generator)).map { [Array($0.dropLast(4))] } ?? []
            }
        ) { try? read($0 + checksum($0)) }
    }

    /// CRC-32, least significant byte first.
    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: ~crc >> UInt32(8 * $0)) }
    }
}
