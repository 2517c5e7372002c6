extension GroupDetector {
    static let magic: StaticString = "SBgd"
    /// 2: the old memory without roots. 3: what is not learnt. Earlier versions are refused: their owner begins anew.
    static let version: UInt8 = 3

    /// The whole state, framed and checked; see `ModelBytes`.
    package var bytes: [UInt8] {
        ModelBytes.framed(magic: Self.magic, version: Self.version, bodyBytes: stateBytes) { writer in
            writer.bytes.append(UInt8(columns))
            writer.write(random)
            writer.write(cells)
            writer.write(nextTraining)
            writer.write(nextRange)
            writer.write(unscored)
            cell.encode(into: &writer)
            for origin in origins { writer.write(origin) }
            writer.write(lows.map { $0.isFinite ? $0 : .nan })
            writer.write(highs.map { $0.isFinite ? $0 : .nan })
            writer.write(means.shares)
            writer.write(means.roots)
            writer.write(UInt16(warmup.count))
            writer.write(warmup)
            old.encode(into: &writer)
            young.encode(into: &writer)
            tail.encode(into: &writer)
            policy.encode(into: &writer)
            hold.encode(into: &writer)
            writer.write(waiting)
            writer.write(trail != nil)
            if let trail {
                writer.write(trail.shares)
                writer.write(trail.roots)
            }
        }
    }

    /// A detector that goes on where `bytes` left off; its open cell's verdict is not kept.
    package init(bytes: [UInt8], configuration: DetectorConfiguration) throws(DetectionError) {
        var reader = try ModelBytes.body(bytes, magic: Self.magic, version: Self.version)
        let columns = Int(try reader.uint8())
        guard (1...Self.columnsMax).contains(columns) else { throw .columns(columns, limit: Self.columnsMax) }
        self.init(configuration: configuration, columns: columns)
        random = UInt64(try reader.uint32()) | UInt64(try reader.uint32()) << 32
        guard random != 0 else { throw .damaged("a generator that stands still") }
        cells = try reader.cells()
        nextTraining = try reader.cells()
        nextRange = try reader.cells()
        unscored = try reader.uint32()
        try cell.restore(from: &reader)
        for column in 0..<columns { origins[column] = try reader.doubleOrGap() }
        lows = try reader.floats(columns).map { $0.isNaN ? .infinity : $0 }
        highs = try reader.floats(columns).map { $0.isNaN ? -.infinity : $0 }
        means.shares = try reader.floats(columns)
        means.roots = try reader.floats(columns)
        let warmupCount = Int(try reader.uint16())
        guard warmupCount <= Int(Self.warmupCells) * columns, warmupCount % columns == 0 else {
            throw .damaged("\(warmupCount) numbers of warm-up")
        }
        warmup = try reader.floats(warmupCount)
        try old.restore(from: &reader)
        try young.restore(from: &reader)
        tail = try TailCalibration(from: &reader)
        policy = try AlarmPolicy(from: &reader)
        hold = try LearningHold(from: &reader)
        waiting = try reader.floats(Int(hold.waiting) * columns)
        if try reader.bit() {
            var ahead = ShortMeans(columns: columns)
            ahead.shares = try reader.floats(columns)
            ahead.roots = try reader.floats(columns)
            trail = ahead
        }
        try reader.finish()
    }
}

extension GroupCell {
    func encode(into writer: inout ByteWriter) {
        clock.encode(into: &writer)
        for column in sums.indices {
            writer.write(sums[column])
            writer.write(counts[column])
            writer.write(last[column])
        }
    }

    mutating func restore(from reader: inout ByteReader) throws(DetectionError) {
        clock = try Cell(from: &reader)
        for column in sums.indices {
            sums[column] = try reader.double()
            counts[column] = try reader.cells()
            last[column] = try reader.doubleOrGap()
        }
    }
}

extension GroupMemory {
    func encode(into writer: inout ByteWriter) {
        writer.write(UInt16(count))
        writer.bytes.append(contentsOf: codes)
        for row in 0..<count {
            writer.write(isActive[row])
            writer.write(strangenesses[row])
        }
        writer.write(lows)
        writer.write(spans)
    }

    mutating func restore(from reader: inout ByteReader) throws(DetectionError) {
        let rows = Int(try reader.uint16())
        guard rows <= rowsMax else { throw .damaged("\(rows) rows of memory") }
        codes = Array(try reader.slice(rows * stride))
        for _ in 0..<rows {
            isActive.append(try reader.bit())
            strangenesses.append(try reader.float())
        }
        lows = try reader.floats(columns)
        spans = try reader.floats(columns)
    }
}
