import Ingest
import Telemetry
import WireFormat

/// version u8 · agent (text) · key u8 (1: epoch 16, lane u8, sequence) · code u8 · final u8 · detail (text) ·
/// at (zigzag) · payload (rest)
enum ParkedCodec {
    static func encode(_ parked: IngestCommit.ParkedPayload) -> [UInt8] {
        var writer = ByteWriter(reserving: parked.payload.count + 96)
        writer.write(UInt8(1))
        writer.write(text: parked.agent.rawValue)
        writer.write(UInt8(parked.key == nil ? 0 : 1))
        if let key = parked.key {
            writer.write(key.epoch.bytes)
            writer.write(key.lane.rawValue)
            writer.write(varint: key.sequence)
        }
        writer.write(parked.code.rawValue)
        writer.write(UInt8(parked.isFinal ? 1 : 0))
        writer.write(text: String(parked.detail.prefix(500)))
        writer.write(zigzag: parked.at.milliseconds)
        writer.write(prefixed: parked.payload)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws -> IngestCommit.ParkedPayload {
        try bytes.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            let version = try reader.readByte("version")
            guard version == 1 else { throw WireError.unsupportedVersion(version) }
            guard let agent = AgentID(rawValue: try reader.readText("agent", max: NameGrammar.lengthMax)) else {
                throw WireError.invalid("agent")
            }
            var key: BatchKey?
            if try reader.readByte("key") == 1 {
                let words = try reader.readID128("epoch")
                guard let lane = Lane(rawValue: try reader.readByte("lane")) else { throw WireError.invalid("lane") }
                key = BatchKey(
                    epoch: ID128(high: words.high, low: words.low), lane: lane,
                    sequence: try reader.readVarint("sequence"))
            }
            guard let code = RejectionCode(rawValue: try reader.readByte("code")) else {
                throw WireError.invalid("code")
            }
            return IngestCommit.ParkedPayload(
                agent: agent, key: key, code: code, isFinal: try reader.readByte("final") == 1,
                detail: try reader.readText("detail", max: 4096), payload: [],
                at: Timestamp(milliseconds: try reader.readZigzag("at"))
            )
            .with(payload: Array(try reader.readPrefixed("payload", max: 1 << 22)))
        }
    }
}

extension IngestCommit.ParkedPayload {
    fileprivate func with(payload: [UInt8]) -> Self {
        var copy = self
        copy.payload = payload
        return copy
    }
}
