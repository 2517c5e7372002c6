import Compression
package import Telemetry
import WireFormat

/// What detection saw of a node over some hours, to judge it again: the series that it watches and their samples.
///
/// Layout: "SBdr", version (1), and one zstd frame of: prefixed series table; for each series the varint distance of
/// its samples in milliseconds; varint number of parts; each a prefixed metric block of ``partMilliseconds``.
package struct DetectionRecording: Sendable {
    package static let magic = Array("SBdr".utf8)
    package static let version: UInt8 = 1
    /// Of samples in one metric block.
    package static let partMilliseconds: Int64 = 1_200_000
    /// Two weeks.
    package static let partsMax = 1024
    package static let bytesMax = 64 << 20
    package static let intervalMillisecondsMax: Int64 = 86_400_000

    package struct Series: Sendable, Equatable {
        package var descriptor: SeriesDescriptor
        /// The least distance of two samples: those of one interval were one scrape.
        package var intervalMilliseconds: Int64
    }

    package var series: [Series]
    /// Metric blocks, each later than the one before.
    package var parts: [[UInt8]]

    package init(series: [Series], parts: [[UInt8]]) {
        self.series = series
        self.parts = parts
    }

    /// - Throws: `WireError` for series beyond their limits, `ZstdError`.
    package var bytes: [UInt8] {
        get throws {
            var writer = ByteWriter()
            writer.write(prefixed: try SeriesTable.encode(series.map(\.descriptor)))
            for entry in series { writer.write(varint: UInt64(max(0, entry.intervalMilliseconds))) }
            writer.write(varint: UInt64(parts.count))
            for part in parts { writer.write(prefixed: part) }
            return Self.magic + [Self.version] + (try ZstdCompressor(level: 19).compress(writer.bytes))
        }
    }

    /// - Throws: `WireError` or `ZstdError` for bytes that are no recording of this version.
    package init(bytes: [UInt8]) throws {
        guard bytes.count > Self.magic.count, bytes.starts(with: Self.magic) else { throw WireError.invalid("magic") }
        let version = bytes[Self.magic.count]
        guard version == Self.version else { throw WireError.unsupportedVersion(version) }
        let body = try ZstdDecompressor().decompress(
            Array(bytes.dropFirst(Self.magic.count + 1)), boundBytes: Self.bytesMax)
        self = try ByteReader.reading(body) { (reader) throws(WireError) in
            let table = try reader.readPrefixed("series table", max: Self.bytesMax)
            var series: [Series] = []
            for descriptor in try SeriesTable.decode([UInt8](table)) {
                let interval = try reader.readCount("interval", max: Int(Self.intervalMillisecondsMax))
                series.append(Series(descriptor: descriptor, intervalMilliseconds: Int64(interval)))
            }
            var parts: [[UInt8]] = []
            for _ in 0..<(try reader.readCount("parts", max: Self.partsMax)) {
                parts.append([UInt8](try reader.readPrefixed("part", max: Self.bytesMax)))
            }
            return DetectionRecording(series: series, parts: parts)
        }
    }
}
