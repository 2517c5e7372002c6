import Compression
import Synchronization
import Telemetry
import WireFormat

/// Decoders and compressors with their buffers, lent to one thread at a time; at most ``idleMax`` are kept idle.
final class CodecPool: Sendable {
    static let shared = CodecPool()
    static let idleMax = 8

    /// One thread's. `@unchecked Sendable`: the pool lends it to one borrower at a time.
    final class Codec: @unchecked Sendable {
        let body: BlockBody
        let decoder = MetricBlockDecoder()
        let encoder = MetricBlockEncoder()
        init() throws { body = try BlockBody() }
    }

    private let idle = Mutex<[Codec]>([])

    func use<Result>(_ work: (Codec) throws -> Result) throws -> Result {
        let codec = try idle.withLock { $0.popLast() } ?? Codec()
        defer {
            idle.withLock { idle in
                if idle.count < Self.idleMax { idle.append(codec) }
            }
        }
        return try work(codec)
    }
}
