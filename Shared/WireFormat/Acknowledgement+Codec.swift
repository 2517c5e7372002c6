import Telemetry

extension Acknowledgement: WireRecord {
    /// Bounds of one acknowledgement; the rest waits for the next.
    public static let settledMax = 64
    public static let rejectionsMax = 64
    public static let requestsMax = 64

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(littleEndian: counter)
        writer.write(runningEpoch)
        writer.write(aggregatorID)
        writer.write(varint: UInt64(settled.count))
        for entry in settled {
            writer.write(entry.laneKey)
            writer.write(varint: entry.contiguous)
            writer.write(varint: UInt64(entry.ranges.count))
            var end = entry.contiguous
            for range in entry.ranges {
                writer.write(varint: range.lowerBound &- end)
                writer.write(varint: range.upperBound &- range.lowerBound)
                end = range.upperBound
            }
        }
        writer.write(varint: UInt64(rejections.count))
        for rejection in rejections {
            writer.write(rejection.key.laneKey)
            writer.write(varint: rejection.key.sequence)
            writer.write(rejection.code.rawValue)
            writer.write(rejection.isFinal)
        }
        writer.write(varint: UInt64(needsTables.count))
        for hash in needsTables { writer.write(hash) }
        writer.write(varint: UInt64(needsKeys.count))
        for id in needsKeys { writer.write(id) }
        writer.write(needsBirth)
        writer.write(varint: desiredConfigurationVersion)
        writer.write(varint: keyBundleVersion)
        writer.write(time)
        writer.write(littleEndian: flushIntervalMilliseconds)
        writer.write(varint: creditBytes)
        writer.write(challenge)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        let counter = try reader.read(littleEndian: UInt64.self, "counter")
        let runningEpoch = try reader.readIdentifier("running epoch")
        let aggregatorID = try reader.readIdentifier("aggregator id")
        var settled: [Settled] = []
        var rangeTotal = 0
        for _ in 0..<(try reader.readCount("settled", max: Self.settledMax)) {
            settled.append(try Self.readSettled(&reader, rangeTotal: &rangeTotal))
        }
        var rejections: [Rejection] = []
        for _ in 0..<(try reader.readCount("rejections", max: Self.rejectionsMax)) {
            let lane = try reader.readLaneKey("rejection")
            let sequence = try reader.readVarint("rejected sequence")
            let code = try reader.readCase(RejectionCode.self, "rejection code")
            let key = BatchKey(epoch: lane.epoch, lane: lane.lane, sequence: sequence)
            rejections.append(Rejection(key: key, code: code, isFinal: try reader.readBool("rejection finality")))
        }
        var tables: [TableHash] = []
        for _ in 0..<(try reader.readCount("needed tables", max: Self.requestsMax)) {
            tables.append(try reader.readHash("needed table"))
        }
        var keys: [DataKeyID] = []
        for _ in 0..<(try reader.readCount("needed keys", max: Self.requestsMax)) {
            keys.append(try reader.readIdentifier("needed key"))
        }
        let needsBirth = try reader.readBool("needs birth")
        let configuration = try reader.readVarint("desired configuration")
        let bundle = try reader.readVarint("key bundle")
        let time = try reader.readTimestamp("time")
        let flush = try reader.read(littleEndian: UInt32.self, "flush interval")
        let credit = try reader.readVarint("credit")
        self.init(
            counter: counter, runningEpoch: runningEpoch, aggregatorID: aggregatorID, settled: settled,
            rejections: rejections, needsTables: tables, needsKeys: keys, needsBirth: needsBirth,
            desiredConfigurationVersion: configuration, keyBundleVersion: bundle, time: time,
            flushIntervalMilliseconds: flush, creditBytes: credit, challenge: try reader.readIdentifier("challenge"))
    }

    private static func readSettled(
        _ reader: inout ByteReader, rangeTotal: inout Int
    ) throws(WireError) -> Settled {
        let laneKey = try reader.readLaneKey("settled lane")
        let contiguous = try reader.readVarint("contiguous")
        let count = try reader.readCount("ranges", max: WireLimits.acknowledgedRangesMax - rangeTotal)
        rangeTotal += count
        var ranges: [ClosedRange<UInt64>] = []
        var end = contiguous
        for _ in 0..<count {
            let gap = try reader.readVarint("range start")
            let (lower, overflow) = end.addingReportingOverflow(gap)
            let (upper, overflowToo) = lower.addingReportingOverflow(try reader.readVarint("range length"))
            // At least one unsettled sequence lies between two ranges.
            guard gap >= 2, !overflow, !overflowToo else { throw .invalid("range") }
            ranges.append(lower...upper)
            end = upper
        }
        return Settled(laneKey: laneKey, contiguous: contiguous, ranges: ranges)
    }
}
