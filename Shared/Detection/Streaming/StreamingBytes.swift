/// How the parts of a detector stand in its bytes: in the order of their fields, little endian; see `ModelBytes` for
/// the frame. What could make later arithmetic trap is refused here.
extension ByteReader {
    /// Finite, or the NaN that marks a gap.
    mutating func floatOrGap() throws(DetectionError) -> Float {
        let value = Float(bitPattern: try uint32())
        guard !value.isInfinite else { throw .damaged("an infinite number") }
        return value
    }

    mutating func doubleOrGap() throws(DetectionError) -> Double {
        let bits = UInt64(try uint32()) | UInt64(try uint32()) << 32
        let value = Double(bitPattern: bits)
        guard !value.isInfinite else { throw .damaged("an infinite number") }
        return value
    }

    /// A time or a number of hours: far from overflow, or `.min` for none.
    mutating func moment() throws(DetectionError) -> Int64 {
        let value = Int64(bitPattern: UInt64(try uint32()) | UInt64(try uint32()) << 32)
        guard value == .min || abs(value) < 1 << 53 else { throw .damaged("a time out of range") }
        return value
    }

    /// A count of cells: doubling it must not overflow.
    mutating func cells() throws(DetectionError) -> UInt32 {
        let value = try uint32()
        guard value < 1 << 30 else { throw .damaged("a count out of range") }
        return value
    }

    mutating func bit() throws(DetectionError) -> Bool {
        let value = try uint8()
        guard value < 2 else { throw .damaged("a flag of \(value)") }
        return value == 1
    }

    mutating func vector() throws(DetectionError) -> SIMD8<Float> {
        var vector = SIMD8<Float>(repeating: 0)
        for lane in 0..<8 { vector[lane] = try float() }
        return vector
    }

    mutating func vector4() throws(DetectionError) -> SIMD4<Float> {
        var vector = SIMD4<Float>(repeating: 0)
        for lane in 0..<4 { vector[lane] = try float() }
        return vector
    }

    mutating func floats(_ count: Int) throws(DetectionError) -> [Float] {
        var values: [Float] = []
        for _ in 0..<count { values.append(try floatOrGap()) }
        return values
    }
}

extension ByteWriter {
    mutating func write(_ vector: SIMD8<Float>) { for lane in 0..<8 { write(vector[lane]) } }
    mutating func write(_ values: [Float]) { for value in values { write(value) } }
    mutating func write(_ flag: Bool) { bytes.append(flag ? 1 : 0) }
}

extension TailCalibration {
    func encode(into writer: inout ByteWriter) {
        for lane in 0..<4 { writer.write(lower[lane]) }
        writer.write(top)
        for lane in 0..<4 { writer.write(ranks[lane]) }
        for value in [count, excessSum, excessCount] { writer.write(value) }
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        let lower = try reader.vector4()
        let top = try reader.float()
        let ranks = try reader.vector4()
        let count = try reader.float()
        let (excessSum, excessCount) = (try reader.float(), try reader.float())
        guard count >= 0, count < 1e6 else { throw .damaged("a calibration of \(count) values") }
        self.init(
            lower: lower, top: top, ranks: ranks, count: count, excessSum: excessSum, excessCount: excessCount)
    }
}

extension AlarmPolicy {
    func encode(into writer: inout ByteWriter) {
        writer.write(cells)
        writer.write(lastAlarm)
        writer.write(hasAlarmed)
        writer.write(lastEvidence)
        writer.write(rise)
        for lane in 0..<4 { writer.write(recent[lane]) }
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        cells = try reader.cells()
        lastAlarm = try reader.cells()
        hasAlarmed = try reader.bit()
        lastEvidence = try reader.float()
        rise = try reader.float()
        guard rise >= 0, rise < 1e3 else { throw .damaged("a threshold raised by \(rise)") }
        recent = try reader.vector4()
    }
}

extension LearningHold {
    func encode(into writer: inout ByteWriter) {
        writer.write(left)
        writer.bytes.append(waiting)
        writer.write(isOn)
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        let left = try reader.float()
        let waiting = try reader.uint8()
        let isOn = try reader.bit()
        guard left >= 0, left <= Self.cellsMax, waiting <= (isOn ? 0 : UInt8(Self.waitingMax)) else {
            throw .damaged("\(waiting) cells that wait, \(left) that may be left out")
        }
        self.init(left: left, waiting: waiting, isOn: isOn)
    }
}

extension Cell {
    func encode(into writer: inout ByteWriter) {
        writer.write(start)
        writer.write(last)
        writer.write(step)
        writer.write(sum)
        writer.write(count)
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        start = try reader.moment()
        last = try reader.moment()
        step = try reader.moment()
        sum = try reader.double()
        count = try reader.double()
        guard step >= 0, count >= 0, (start == .min) == (last == .min), start <= last else {
            throw .damaged("a cell that ends before it began")
        }
    }
}

extension SeasonalBaseline {
    func encode(into writer: inout ByteWriter) {
        writer.write(!slots.isEmpty)
        writer.bytes.append(contentsOf: slots.map { UInt8(bitPattern: $0) })
        writer.write(parts)
        for value in [base, step, slotSum, slotCount, partSum, partCount] { writer.write(value) }
        for number in [slot, slotFirst, part] { writer.write(number) }
    }

    init(from reader: inout ByteReader) throws(DetectionError) {
        if try reader.bit() {
            for _ in 0..<Self.slotsKept { slots.append(Int8(bitPattern: try reader.uint8())) }
            parts = try reader.floats(Self.partsKept)
        }
        base = try reader.float()
        step = try reader.float()
        slotSum = try reader.float()
        slotCount = try reader.float()
        partSum = try reader.float()
        partCount = try reader.float()
        slot = try reader.moment()
        slotFirst = try reader.moment()
        part = try reader.moment()
        guard step >= 0, (slot == .min) == (slotFirst == .min), (slot == .min) == (part == .min), slotFirst <= slot
        else {
            throw .damaged("a season of no step, or that ends before it began")
        }
    }
}
