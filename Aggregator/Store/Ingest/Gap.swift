package import Telemetry
import WireFormat

/// A stretch that is known to be missing, or known to be less exact than the rest.
package struct Gap: Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        /// The agent gave the batches up and said so.
        case declared(LossReason)
        /// Quarantined batches beyond the bound were dropped.
        case quarantineFull
        /// Quarantined batches whose true time never became known were dropped at the retention's end.
        case quarantineExpired
        /// Level-0 blocks that did not decode any more.
        case damaged
        /// Not missing: samples between `from` and `through` had their time corrected by `shiftMilliseconds`.
        case clockCorrected

        package var name: String {
            switch self {
            case .declared(let reason): reason.name
            case .quarantineFull: "quarantine-full"
            case .quarantineExpired: "quarantine-expired"
            case .damaged: "store-damaged"
            case .clockCorrected: "clock-corrected"
            }
        }
    }
    package var agent: AgentID
    package var laneKey: LaneKey
    package var sequences: ClosedRange<UInt64>
    package var count: LedgerCount
    package var reason: Reason
    /// When the aggregator learned of it.
    package var at: Timestamp
    /// The time that the missing samples covered, where it is known or can be told from the batches around.
    package var from: Timestamp?
    package var through: Timestamp?
    package var shiftMilliseconds: Int64 = 0

    package init(
        agent: AgentID, laneKey: LaneKey, sequences: ClosedRange<UInt64>, count: LedgerCount, reason: Reason,
        at: Timestamp, from: Timestamp? = nil, through: Timestamp? = nil, shiftMilliseconds: Int64 = 0
    ) {
        self.agent = agent
        self.laneKey = laneKey
        self.sequences = sequences
        self.count = count
        self.reason = reason
        self.at = at
        self.from = from
        self.through = through
        self.shiftMilliseconds = shiftMilliseconds
    }
}

/// version u8 · agent (text) · epoch (16) · lane u8 · lower · upper · batches · records · reason u8 · loss u8 ·
/// at (zigzag) · range u8 (1: from, through as zigzags) · shift (zigzag)
enum GapCodec {
    static func encode(_ gap: Gap) -> [UInt8] {
        var writer = ByteWriter(reserving: 96)
        writer.write(UInt8(1))
        writer.write(text: gap.agent.rawValue)
        writer.write(gap.laneKey.epoch.bytes)
        writer.write(gap.laneKey.lane.rawValue)
        writer.write(varint: gap.sequences.lowerBound)
        writer.write(varint: gap.sequences.upperBound)
        writer.write(varint: gap.count.batches)
        writer.write(varint: gap.count.records)
        switch gap.reason {
        case .declared(let reason):
            writer.write(UInt8(1))
            writer.write(reason.rawValue)
        case .quarantineFull: writer.write([2, 0])
        case .damaged: writer.write([3, 0])
        case .clockCorrected: writer.write([4, 0])
        case .quarantineExpired: writer.write([5, 0])
        }
        writer.write(zigzag: gap.at.milliseconds)
        if let from = gap.from, let through = gap.through {
            writer.write(UInt8(1))
            writer.write(zigzag: from.milliseconds)
            writer.write(zigzag: through.milliseconds)
        } else {
            writer.write(UInt8(0))
        }
        writer.write(zigzag: gap.shiftMilliseconds)
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws -> Gap {
        try bytes.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            let version = try reader.readByte("version")
            guard version == 1 else { throw WireError.unsupportedVersion(version) }
            guard let agent = AgentID(stored: try reader.readText("agent", max: NameGrammar.lengthMax)) else {
                throw WireError.invalid("agent")
            }
            let words = try reader.readID128("epoch")
            guard let lane = Lane(rawValue: try reader.readByte("lane")) else { throw WireError.invalid("lane") }
            let lower = try reader.readVarint("lower")
            let upper = try reader.readVarint("upper")
            guard lower <= upper else { throw WireError.invalid("sequences") }
            let count = LedgerCount(
                batches: try reader.readVarint("batches"), records: try reader.readVarint("records"))
            let kind = try reader.readByte("reason")
            let loss = try reader.readByte("loss")
            var gap = Gap(
                agent: agent, laneKey: LaneKey(epoch: ID128(high: words.high, low: words.low), lane: lane),
                sequences: lower...upper, count: count, reason: try reason(kind, loss),
                at: Timestamp(milliseconds: try reader.readZigzag("at")))
            if try reader.readByte("range") == 1 {
                gap.from = Timestamp(milliseconds: try reader.readZigzag("from"))
                gap.through = Timestamp(milliseconds: try reader.readZigzag("through"))
            }
            gap.shiftMilliseconds = try reader.readZigzag("shift")
            return gap
        }
    }

    private static func reason(_ kind: UInt8, _ loss: UInt8) throws(WireError) -> Gap.Reason {
        switch kind {
        case 1:
            guard let reason = LossReason(rawValue: loss) else { throw .invalid("loss") }
            return .declared(reason)
        case 2: return .quarantineFull
        case 3: return .damaged
        case 4: return .clockCorrected
        case 5: return .quarantineExpired
        default: throw .invalid("reason")
        }
    }
}
