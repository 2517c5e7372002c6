extension MetricDetector {
    static let magic: StaticString = "SBmd"
    /// 3: what was extreme. 4: what is not learnt. Earlier versions are refused: their owner begins anew.
    static let version: UInt8 = 4

    /// The whole state, framed and checked; see `ModelBytes`. About 2 KB.
    package var bytes: [UInt8] {
        ModelBytes.framed(magic: Self.magic, version: Self.version, bodyBytes: 2_048) { writer in
            writer.write(origin)
            writer.write(random)
            writer.write(cells)
            writer.write(cellsAway)
            writer.write(nextTraining)
            writer.write(unscored)
            cell.encode(into: &writer)
            writer.write(past.lags)
            for value in [past.shortMean, past.longMean, past.shortVariance, held, hourEvidence.x, hourEvidence.y] {
                writer.write(value)
            }
            writer.write(UInt16(warmup.count * MetricMemory.stride))
            for row in MetricPast.rows(of: warmup) {
                writer.write(row.lags)
                for feature in 0..<4 { writer.write(row.features[feature]) }
            }
            memory.encode(into: &writer)
            season.encode(into: &writer)
            for tail in [shapeTail, featureTail, forestTail, hourTail, twoHourTail] { tail.encode(into: &writer) }
            extremes.encode(into: &writer)
            policy.encode(into: &writer)
            hold.encode(into: &writer)
            writer.write(waiting)
            writer.write(!trail.isEmpty)
            for past in trail {
                writer.write(past.lags)
                for value in [past.shortMean, past.longMean, past.shortVariance] { writer.write(value) }
            }
        }
    }

    /// A detector that goes on where `bytes` left off; its open cell's verdict is not kept.
    package init(bytes: [UInt8], configuration: DetectorConfiguration) throws(DetectionError) {
        var reader = try ModelBytes.body(bytes, magic: Self.magic, version: Self.version)
        self.init(configuration: configuration)
        origin = try reader.doubleOrGap()
        random = UInt64(try reader.uint32()) | UInt64(try reader.uint32()) << 32
        guard random != 0 else { throw .damaged("a generator that stands still") }
        past.cells = try reader.cells()
        cellsAway = try reader.cells()
        nextTraining = try reader.cells()
        unscored = try reader.uint32()
        cell = try Cell(from: &reader)
        past.lags = try reader.vector()
        past.shortMean = try reader.float()
        past.longMean = try reader.float()
        past.shortVariance = try reader.float()
        held = try reader.float()
        hourEvidence.x = try reader.float()
        hourEvidence.y = try reader.float()
        let warmupCount = Int(try reader.uint16())
        guard warmupCount <= Self.warmupCells * MetricMemory.stride, warmupCount % MetricMemory.stride == 0 else {
            throw .damaged("\(warmupCount) numbers of warm-up")
        }
        // The first number of each row is its value; the others follow from the values.
        let rows = try reader.floats(warmupCount)
        warmup = stride(from: 0, to: warmupCount, by: MetricMemory.stride).map { rows[$0] }
        memory = try MetricMemory(from: &reader)
        season = try SeasonalBaseline(from: &reader)
        shapeTail = try TailCalibration(from: &reader)
        featureTail = try TailCalibration(from: &reader)
        forestTail = try TailCalibration(from: &reader)
        hourTail = try TailCalibration(from: &reader)
        twoHourTail = try TailCalibration(from: &reader)
        extremes = try Extremes(from: &reader)
        policy = try AlarmPolicy(from: &reader)
        hold = try LearningHold(from: &reader)
        waiting = try reader.floats(Int(hold.waiting))
        if try reader.bit() {
            var ahead = MetricPast()
            ahead.lags = try reader.vector()
            ahead.shortMean = try reader.float()
            ahead.longMean = try reader.float()
            ahead.shortVariance = try reader.float()
            ahead.cells = past.cells
            trail = [ahead]
        }
        try reader.finish()
    }
}

extension Extremes {
    func encode(into writer: inout ByteWriter) {
        writer.write(count)
        writer.write(countBefore)
        for lane in 0..<4 { writer.write(lows[lane].isFinite ? lows[lane] : .nan) }
        for lane in 0..<4 { writer.write(highs[lane].isFinite ? highs[lane] : .nan) }
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        count = try reader.cells()
        countBefore = try reader.cells()
        let ends = try reader.floats(8)
        for lane in 0..<4 {
            lows[lane] = ends[lane].isNaN ? .infinity : ends[lane]
            highs[lane] = ends[lane + 4].isNaN ? -.infinity : ends[lane + 4]
        }
    }
}

extension MetricMemory {
    func encode(into writer: inout ByteWriter) {
        writer.write(UInt16(count))
        writer.bytes.append(contentsOf: codes)
        writer.write(active)
        writer.write(centres)
        writer.write(scales)
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        self.init()
        let rows = Int(try reader.uint16())
        guard rows <= Self.rowsMax else { throw .damaged("\(rows) rows of memory") }
        codes.append(contentsOf: try reader.slice(rows * Self.stride))
        active = UInt64(try reader.uint32()) | UInt64(try reader.uint32()) << 32
        guard rows == Self.rowsMax || active >> UInt64(rows) == 0 else { throw .damaged("active rows beyond the last") }
        centres = try reader.vector()
        scales = try reader.vector()
    }
}
