import Telemetry
import WireFormat

/// The bytes of `WireFormat`, as this module meets them: bodies are zstd frames of blocks.
enum StoreCodec {
    static func decodeTable(_ bytes: [UInt8]) throws -> [SeriesDescriptor] { try SeriesTable.decode(bytes) }

    static func decodeEvents(_ body: [UInt8]) throws -> [ListeningEvent] {
        try CodecPool.shared.use { codec in try EventBlock.decode(try codec.body.decompress(body)) }
    }

    static func outline(_ body: [UInt8]) throws -> EventOutline {
        try CodecPool.shared.use { codec in
            try codec.body.decompress(body).withUnsafeBytes { try EventOutline(block: $0) }
        }
    }

    /// - Throws: above ``EventBlock/eventsMax`` events.
    static func encodeEvents(_ events: [ListeningEvent]) throws -> [UInt8] {
        try CodecPool.shared.use { codec in try codec.body.compress(try codec.events.encode(events)) }
    }
}
