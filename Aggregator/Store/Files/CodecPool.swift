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
        let events = EventBlockEncoder()
        private(set) lazy var metrics = MetricBlockEncoder()
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

    // MARK: Chunk encoders, which their builders keep for longer

    private let encoders = Mutex<[Encoder]>([])
    /// `@unchecked Sendable`: whoever takes it is the only one to hold it.
    private struct Encoder: @unchecked Sendable { let encoder: ChunkGroupEncoder }

    /// Of streams per frame: what reading one series inflates (about 0.2 ms).
    static let frameBytes = 256 * 1024

    func takeEncoder() throws -> ChunkGroupEncoder {
        if let idle = encoders.withLock({ $0.popLast() }) { return idle.encoder }
        return try ChunkGroupEncoder(frameBytes: Self.frameBytes)
    }
    func give(back encoder: ChunkGroupEncoder) {
        let wrapped = Encoder(encoder: encoder)
        encoders.withLock { encoders in
            if encoders.count < Self.idleMax { encoders.append(wrapped) }
        }
    }

    // MARK: Decompressors of readers, which most readers of cached groups never use

    private let decompressors = Mutex<[Decompressor]>([])
    /// `@unchecked Sendable`: whoever takes it is the only one to hold it.
    private struct Decompressor: @unchecked Sendable { let decompressor: ZstdDecompressor }

    func takeDecompressor() throws -> ZstdDecompressor {
        if let idle = decompressors.withLock({ $0.popLast() }) { return idle.decompressor }
        return try ZstdDecompressor()
    }
    func give(back decompressor: ZstdDecompressor) {
        let wrapped = Decompressor(decompressor: decompressor)
        decompressors.withLock { decompressors in
            if decompressors.count < Self.idleMax { decompressors.append(wrapped) }
        }
    }
}
