public import Telemetry

// Layout, little-endian; the whole header is authenticated (FORMAT.md, "Batch envelope"):
//
//   offset width
//        0     4  magic "SBXB"
//        4     1  version, 1
//        5     1  kind        6  1  lane        7  1  flags: bit 0 stale key, bit 1 clock
//                                                      synchronised, bit 2 relayed; rest 0
//        8    16  epoch
//       24     8  sequence    0 exactly for tables and keys
//       32    16  data-key id
//       48     8  first timestamp, ms     56  8  last timestamp, ms, not before the first
//       64     4  record count            68  4  clock error bound, ms
//       72    16  boot id                 88  8  monotonic clock, ns
//       96    24  nonce
//      120     1  length of the agent's name, 1...64, then the name

extension BatchHeader {
    public static let magic: [UInt8] = Array("SBXB".utf8)
    public static let formatVersion: UInt8 = 1
    public static let nonceBytes = 24
    public static let fixedBytes = 121
    private static let clockSynchronized: UInt8 = 2

    public var encodedBytes: Int { Self.fixedBytes + agent.rawValue.utf8.count }

    /// - Precondition: the nonce has 24 bytes; `sequence == 0` exactly when the kind is not sequenced.
    public func encode(into bytes: inout [UInt8]) {
        precondition(nonce.count == Self.nonceBytes, "nonce of \(nonce.count) bytes")
        precondition((sequence == 0) == !kind.isSequenced, "sequence \(sequence) in a \(kind.name) batch")
        var writer = ByteWriter()
        swap(&writer.bytes, &bytes)
        writer.write(Self.magic)
        writer.write(Self.formatVersion)
        writer.write(kind.rawValue)
        writer.write(lane.rawValue)
        writer.write(flags.rawValue | (clock.isSynchronized ? Self.clockSynchronized : 0))
        writer.write(epoch)
        writer.write(littleEndian: sequence)
        writer.write(dataKeyID)
        writer.write(firstTimestamp)
        writer.write(lastTimestamp)
        writer.write(littleEndian: recordCount)
        writer.write(littleEndian: clock.errorBoundMilliseconds)
        writer.write(clock.bootID)
        writer.write(littleEndian: clock.monotonicNanoseconds)
        writer.write(nonce)
        writer.write(UInt8(agent.rawValue.utf8.count))
        writer.write(agent.rawValue.utf8)
        swap(&writer.bytes, &bytes)
    }

    /// Epoch, lane and sequence that a payload claims, without a look at anything else.
    /// - Returns: nil for what is no sequenced batch of this version.
    public static func key(inPrefixOf payload: [UInt8]) -> BatchKey? {
        guard payload.count >= fixedBytes else { return nil }
        return payload.withUnsafeBytes { bytes in
            guard bytes[..<4].elementsEqual(magic), bytes[4] == formatVersion,
                let kind = BatchKind(rawValue: bytes[5]), kind.isSequenced, let lane = Lane(rawValue: bytes[6])
            else { return nil }
            let high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            let sequence = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
            guard sequence > 0, sequence < .max else { return nil }
            return BatchKey(epoch: EpochID(high: high, low: low), lane: lane, sequence: sequence)
        }
    }

    /// Reads the header at the start of a payload; the sealed body begins at `encodedBytes`.
    public init(decodingPrefixOf payload: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(payload)
        guard try reader.readBytes(4, "magic").elementsEqual(Self.magic) else { throw .invalid("magic") }
        let version = try reader.readByte("version")
        guard version == Self.formatVersion else { throw .unsupportedVersion(version) }
        let kind = try reader.readCase(BatchKind.self, "kind")
        let lane = try reader.readCase(Lane.self, "lane")
        let flags = try reader.readByte("flags")
        guard flags & ~(Flags.all.rawValue | Self.clockSynchronized) == 0 else { throw .invalid("flags") }
        let epoch = try reader.readIdentifier("epoch")
        let sequence = try reader.read(littleEndian: UInt64.self, "sequence")
        guard (sequence == 0) == !kind.isSequenced, sequence < .max else { throw .invalid("sequence") }
        let dataKeyID = try reader.readIdentifier("data-key id")
        let first = try reader.readTimestamp("first timestamp")
        let last = try reader.readTimestamp("last timestamp")
        guard first <= last else { throw .invalid("last timestamp") }
        let recordCount = try reader.read(littleEndian: UInt32.self, "record count")
        let errorBound = try reader.read(littleEndian: UInt32.self, "clock error bound")
        let bootID = try reader.readIdentifier("boot id")
        let monotonic = try reader.read(littleEndian: UInt64.self, "monotonic clock")
        let nonce = [UInt8](try reader.readBytes(Self.nonceBytes, "nonce"))
        let nameBytes = try reader.readBytes(Int(reader.readByte("agent")), "agent")
        guard let name = String(validating: nameBytes, as: UTF8.self), let agent = AgentID(rawValue: name) else {
            throw .invalid("agent")
        }
        self.init(
            kind: kind, lane: lane, flags: Flags(rawValue: flags & Flags.all.rawValue), agent: agent,
            epoch: epoch, sequence: sequence, dataKeyID: dataKeyID, firstTimestamp: first, lastTimestamp: last,
            recordCount: recordCount,
            clock: ClockReading(
                isSynchronized: flags & Self.clockSynchronized != 0, errorBoundMilliseconds: errorBound,
                bootID: bootID, monotonicNanoseconds: monotonic),
            nonce: nonce)
    }

    public init(decodingPrefixOf payload: [UInt8]) throws(WireError) {
        let result = payload.withUnsafeBytes { buffer -> Result<BatchHeader, WireError> in
            Result { () throws(WireError) in try BatchHeader(decodingPrefixOf: buffer) }
        }
        self = try result.get()
    }
}
