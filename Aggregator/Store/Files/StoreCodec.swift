import Telemetry
import WireFormat

/// The bytes of `WireFormat`, as this module meets them.
package enum StoreCodec {
    static func decodeTable(_ bytes: [UInt8]) throws -> [SeriesDescriptor] { try SeriesTable.decode(bytes) }

    static func decodeMetrics(_ body: [UInt8]) throws -> Head.DecodedBlock {
        try CodecPool.shared.use { codec in
            try codec.decoder.decode(try codec.body.decompress(body))
            return Head.DecodedBlock(tables: codec.decoder.tables.map(\.hash), samples: codec.decoder.batch())
        }
    }

    static func decodeEvents(_ bytes: [UInt8]) throws -> [ListeningEvent] { throw WireError.invalid("interim") }
    static func encodeEvents(_ events: [ListeningEvent]) throws -> [UInt8] { throw WireError.invalid("interim") }
}
