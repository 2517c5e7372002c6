public import Telemetry

/// Content of a `metadata` batch before zstd: see FORMAT.md, "Metadata block".
public enum MetadataBlock {
    public static let version: UInt8 = 1
    /// So many fit into a body, whatever their texts.
    public static let familiesMax = 512

    /// - Precondition: at most ``familiesMax`` families.
    public static func encode(_ families: [MetricMetadata]) -> [UInt8] {
        precondition(families.count <= familiesMax, "\(families.count) families")
        var writer = ByteWriter(reserving: 128 * families.count)
        writer.write(version)
        writer.write(varint: UInt64(families.count))
        for family in families {
            writer.write(text: family.name)
            writer.write(family.type.rawValue)
            writer.write(text: family.unit)
            writer.write(text: family.help)
        }
        return writer.bytes
    }

    /// - Throws: ``WireError`` for anything that is not such a block.
    public static func decode(_ bytes: [UInt8]) throws(WireError) -> [MetricMetadata] {
        try ByteReader.reading(bytes) { (reader) throws(WireError) in
            let found = try reader.readByte("version")
            guard found == version else { throw .unsupportedVersion(found) }
            var families: [MetricMetadata] = []
            for _ in 0..<(try reader.readCount("families", max: familiesMax)) {
                let name = try reader.readText("family", max: MetricMetadata.nameBytesMax)
                guard let type = MetricType(rawValue: try reader.readByte("type")) else { throw .invalid("type") }
                let unit = try reader.readText("unit", max: MetricMetadata.unitBytesMax)
                let help = try reader.readText("help", max: MetricMetadata.helpBytesMax)
                guard let family = MetricMetadata(name: name, type: type, unit: unit, help: help) else {
                    throw .invalid("family")
                }
                families.append(family)
            }
            try reader.finish()
            return families
        }
    }
}
