import Ingest
import Telemetry
import WireFormat

/// Bytes of ``DedupState`` and ``FleetState`` as `ingest.sqlite` keeps them. Version 1, varints unless said otherwise:
///
///     dedup: version u8 · settled (length, bytes) · committed · quarantined · n × rejected · n × declared ·
///            contested (each: batches, records) · duplicates · firstSeen · lastSeen (zigzag) · closedFrom ·
///            reported (0 or 1, then oldest, next, produced, dropped, pending)
///     fleet: version u8 · firstSeen · lastSeen · online u8 · onlineChanged · birthReceived · skew (zigzag) ·
///            synchronized u8 · epochDay (zigzag) · epochsOfDay · cloneSeen (zigzag) · rewound · reserve ·
///            birth (0 or 1, then its fields; lanes stand in dedup) · reports (count, each length, bytes) or nothing
enum StateCodec {
    static let version: UInt8 = 1

    // MARK: Dedup

    static func encode(_ state: DedupState) -> [UInt8] {
        var writer = ByteWriter(reserving: 160)
        writer.write(version)
        writer.write(prefixed: state.settled.encoded())
        let counts = state.counts
        for count in [counts.committed, counts.quarantined] { write(count, to: &writer) }
        for list in [counts.rejected, counts.declared] {
            writer.write(varint: UInt64(list.count))
            for count in list { write(count, to: &writer) }
        }
        write(counts.contested, to: &writer)
        writer.write(varint: counts.duplicates)
        writer.write(zigzag: state.firstSeenAt.milliseconds)
        writer.write(zigzag: state.lastSeenAt.milliseconds)
        writer.write(varint: state.closedFrom)
        writer.write(UInt8(state.reported == nil ? 0 : 1))
        if let reported = state.reported {
            writer.write(varint: reported.oldest)
            writer.write(varint: reported.next)
            for count in [reported.produced, reported.dropped, reported.pending] { write(count, to: &writer) }
        }
        return writer.bytes
    }

    static func decodeDedup(_ bytes: [UInt8], agent: AgentID, laneKey: LaneKey) throws -> DedupState {
        try bytes.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            try checkVersion(&reader)
            let settled = try SequenceSet(encoded: Array(reader.readPrefixed("settled", max: 1 << 16)))
            var counts = LaneCounts()
            counts.committed = try readCount(&reader)
            counts.quarantined = try readCount(&reader)
            try readCounts(into: &counts.rejected, &reader)
            try readCounts(into: &counts.declared, &reader)
            counts.contested = try readCount(&reader)
            counts.duplicates = try reader.readVarint("duplicates")
            var state = DedupState(
                agent: agent, laneKey: laneKey, firstSeenAt: Timestamp(milliseconds: try reader.readZigzag("first")))
            state.lastSeenAt = Timestamp(milliseconds: try reader.readZigzag("last"))
            state.closedFrom = try reader.readVarint("closed")
            state.settled = settled
            state.counts = counts
            if try reader.readByte("reported") == 1 {
                state.reported = Birth.LaneState(
                    laneKey: laneKey, oldest: try reader.readVarint("oldest"), next: try reader.readVarint("next"),
                    produced: try readCount(&reader), dropped: try readCount(&reader), pending: try readCount(&reader))
            }
            return state
        }
    }

    // MARK: Fleet

    static func encode(_ state: FleetState) -> [UInt8] {
        var writer = ByteWriter(reserving: 160)
        writer.write(version)
        writer.write(zigzag: state.firstSeenAt.milliseconds)
        writer.write(zigzag: state.lastSeenAt.milliseconds)
        writer.write(UInt8(state.isOnline ? 1 : 0))
        writer.write(zigzag: state.onlineChangedAt.milliseconds)
        writer.write(zigzag: state.birthReceivedAt.milliseconds)
        writer.write(zigzag: state.clockSkewMilliseconds)
        writer.write(UInt8(state.isClockSynchronized ? 1 : 0))
        writer.write(zigzag: state.epochDay)
        writer.write(varint: UInt64(state.epochsOfDay))
        writer.write(zigzag: state.cloneSeenAt.milliseconds)
        writer.write(varint: UInt64(state.rewoundCount))
        writer.write(varint: state.acknowledgementReserve)
        writer.write(UInt8(state.birth == nil ? 0 : 1))
        if let birth = state.birth { write(birth, to: &writer) }
        writer.write(varint: UInt64(state.reports.count))
        for report in state.reports.values.sorted(by: { $0.at < $1.at }) { writer.write(prefixed: report.encoded()) }
        return writer.bytes
    }

    static func decodeFleet(_ bytes: [UInt8], agent: AgentID) throws -> FleetState {
        try bytes.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            try checkVersion(&reader)
            var state = FleetState(agent: agent, firstSeenAt: Timestamp(milliseconds: try reader.readZigzag("first")))
            state.lastSeenAt = Timestamp(milliseconds: try reader.readZigzag("last"))
            state.isOnline = try reader.readByte("online") == 1
            state.onlineChangedAt = Timestamp(milliseconds: try reader.readZigzag("changed"))
            state.birthReceivedAt = Timestamp(milliseconds: try reader.readZigzag("birth time"))
            state.clockSkewMilliseconds = try reader.readZigzag("skew")
            state.isClockSynchronized = try reader.readByte("synchronized") == 1
            state.epochDay = try reader.readZigzag("day")
            state.epochsOfDay = UInt32(truncatingIfNeeded: try reader.readVarint("epochs"))
            state.cloneSeenAt = Timestamp(milliseconds: try reader.readZigzag("clone"))
            state.rewoundCount = UInt32(truncatingIfNeeded: try reader.readVarint("rewound"))
            state.acknowledgementReserve = try reader.readVarint("reserve")
            if try reader.readByte("birth") == 1 { state.birth = try readBirth(&reader) }
            guard reader.remaining > 0 else { return state }
            for _ in 0..<(try reader.readCount("reports", max: FleetState.reportsMax)) {
                let report = try ManifestReport(decoding: [UInt8](try reader.readPrefixed("report", max: 4096)))
                state.reports[report.scope] = report
            }
            return state
        }
    }

    private static func write(_ birth: Birth, to writer: inout ByteWriter) {
        writer.write(varint: birth.sessionCounter)
        writer.write(birth.runningEpoch.bytes)
        writer.write(varint: UInt64(birth.lanes.count))
        for lane in birth.lanes {
            writer.write(lane.laneKey.epoch.bytes)
            writer.write(lane.laneKey.lane.rawValue)
            writer.write(varint: lane.oldest)
            writer.write(varint: lane.next)
            for count in [lane.produced, lane.dropped, lane.pending] { write(count, to: &writer) }
        }
        writer.write(text: birth.agentVersion)
        writer.write(UInt8(birth.clock.isSynchronized ? 1 : 0))
        writer.write(varint: UInt64(birth.clock.errorBoundMilliseconds))
        writer.write(birth.clock.bootID.bytes)
        writer.write(varint: birth.clock.monotonicNanoseconds)
        writer.write(zigzag: birth.time.milliseconds)
        writer.write(varint: birth.runningConfigurationVersion)
        writer.write(varint: birth.attemptedConfigurationVersion)
        writer.write(varint: birth.keyBundleVersion)
        writer.write(birth.challenge.bytes)
        writer.write(varint: birth.bufferBytes)
    }

    private static func readBirth(_ reader: inout ByteReader) throws(WireError) -> Birth {
        let counter = try reader.readVarint("session")
        let epoch = try readID(&reader)
        var lanes: [Birth.LaneState] = []
        for _ in 0..<(try reader.readCount("lanes", max: 1 << 16)) {
            let laneEpoch = try readID(&reader)
            guard let lane = Lane(rawValue: try reader.readByte("lane")) else { throw .invalid("lane") }
            lanes.append(
                Birth.LaneState(
                    laneKey: LaneKey(epoch: laneEpoch, lane: lane), oldest: try reader.readVarint("oldest"),
                    next: try reader.readVarint("next"), produced: try readCount(&reader),
                    dropped: try readCount(&reader), pending: try readCount(&reader)))
        }
        let version = try reader.readText("version", max: 1 << 10)
        let clock = ClockReading(
            isSynchronized: try reader.readByte("synchronized") == 1,
            errorBoundMilliseconds: UInt32(truncatingIfNeeded: try reader.readVarint("error bound")),
            bootID: try readID(&reader), monotonicNanoseconds: try reader.readVarint("monotonic"))
        return Birth(
            sessionCounter: counter, runningEpoch: epoch, lanes: lanes, agentVersion: version, clock: clock,
            time: Timestamp(milliseconds: try reader.readZigzag("time")),
            runningConfigurationVersion: try reader.readVarint("running"),
            attemptedConfigurationVersion: try reader.readVarint("attempted"),
            keyBundleVersion: try reader.readVarint("bundle"), challenge: try readID(&reader),
            bufferBytes: try reader.readVarint("buffer"))
    }

    // MARK: Parts

    private static func checkVersion(_ reader: inout ByteReader) throws(WireError) {
        let found = try reader.readByte("version")
        guard found == version else { throw .unsupportedVersion(found) }
    }
    private static func write(_ count: LedgerCount, to writer: inout ByteWriter) {
        writer.write(varint: count.batches)
        writer.write(varint: count.records)
    }
    private static func readCount(_ reader: inout ByteReader) throws(WireError) -> LedgerCount {
        LedgerCount(batches: try reader.readVarint("batches"), records: try reader.readVarint("records"))
    }
    /// Reasons added by a later version are kept out rather than refused; missing ones stay zero.
    private static func readCounts(into list: inout [LedgerCount], _ reader: inout ByteReader) throws(WireError) {
        for index in 0..<(try reader.readCount("counts", max: 256)) {
            let count = try readCount(&reader)
            if index < list.count { list[index] = count }
        }
    }
    private static func readID(_ reader: inout ByteReader) throws(WireError) -> ID128 {
        let words = try reader.readID128("id")
        return ID128(high: words.high, low: words.low)
    }
}
