import Telemetry

extension Birth: WireRecord {
    /// Two lanes of each of the epochs that may drain at once.
    public static let lanesMax = 256
    public static let versionBytesMax = 64

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(littleEndian: sessionCounter)
        writer.write(runningEpoch)
        writer.write(varint: UInt64(lanes.count))
        for state in lanes {
            writer.write(state.laneKey)
            writer.write(varint: state.oldest)
            writer.write(varint: state.next)
            writer.write(state.produced)
            writer.write(state.dropped)
            writer.write(state.pending)
        }
        writer.write(text: agentVersion)
        writer.write(clock)
        writer.write(time)
        writer.write(varint: runningConfigurationVersion)
        writer.write(varint: attemptedConfigurationVersion)
        writer.write(varint: keyBundleVersion)
        writer.write(challenge)
        writer.write(varint: bufferBytes)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        let sessionCounter = try reader.read(littleEndian: UInt64.self, "session counter")
        let runningEpoch = try reader.readIdentifier("running epoch")
        var lanes: [LaneState] = []
        for _ in 0..<(try reader.readCount("lanes", max: Self.lanesMax)) {
            let laneKey = try reader.readLaneKey("lane")
            let oldest = try reader.readVarint("oldest")
            let next = try reader.readVarint("next")
            guard oldest <= next else { throw .invalid("oldest") }
            let produced = try reader.readLedgerCount("produced")
            let dropped = try reader.readLedgerCount("dropped")
            lanes.append(
                LaneState(
                    laneKey: laneKey, oldest: oldest, next: next, produced: produced, dropped: dropped,
                    pending: try reader.readLedgerCount("pending")))
        }
        let version = try reader.readText("agent version", max: Self.versionBytesMax)
        let clock = try reader.readClock("clock")
        let time = try reader.readTimestamp("time")
        let running = try reader.readVarint("running configuration")
        let attempted = try reader.readVarint("attempted configuration")
        let bundle = try reader.readVarint("key bundle")
        let challenge = try reader.readIdentifier("challenge")
        self.init(
            sessionCounter: sessionCounter, runningEpoch: runningEpoch, lanes: lanes, agentVersion: version,
            clock: clock, time: time, runningConfigurationVersion: running,
            attemptedConfigurationVersion: attempted, keyBundleVersion: bundle, challenge: challenge,
            bufferBytes: try reader.readVarint("buffer bytes"))
    }
}

extension ConnectionState: WireRecord {
    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(isOnline)
        writer.write(littleEndian: sessionCounter)
    }
    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        let isOnline = try reader.readBool("online")
        self.init(isOnline: isOnline, sessionCounter: try reader.read(littleEndian: UInt64.self, "session counter"))
    }
}

/// The body of a `loss` batch.
public struct LossBody: WireRecord, Hashable {
    public static let recordsMax = 1024
    public var records: [LossRecord]
    public init(records: [LossRecord]) { self.records = records }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(varint: UInt64(records.count))
        for record in records {
            writer.write(record.laneKey)
            writer.write(varint: record.sequences.lowerBound)
            writer.write(varint: record.sequences.upperBound - record.sequences.lowerBound)
            writer.write(record.count)
            writer.write(record.reason.rawValue)
        }
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        records = []
        for _ in 0..<(try reader.readCount("losses", max: Self.recordsMax)) {
            let laneKey = try reader.readLaneKey("lost lane")
            let lower = try reader.readVarint("first lost")
            let (upper, overflow) = lower.addingReportingOverflow(try reader.readVarint("last lost"))
            guard lower > 0, !overflow, upper < .max else { throw .invalid("lost range") }
            let count = try reader.readLedgerCount("lost")
            guard count.batches > 0, count.batches <= upper - lower + 1 else { throw .invalid("lost batches") }
            let reason = try reader.readCase(LossReason.self, "loss reason")
            records.append(LossRecord(laneKey: laneKey, sequences: lower...upper, count: count, reason: reason))
        }
    }
}
