/// Encodes the values of many series into parallel columns, picking the cheapest class per series.
///
/// Columns rather than rows, since zstd finds more in bytes of one kind: classes, multipliers,
/// references, lengths, first values, raw words, then the streams of differences. Kernel counters
/// often carry one quantity twice (pages and kilobytes, totals and parts): differences are divided
/// by their greatest common divisor, and a series whose stream equals an earlier one's refers to it.
///
/// Not thread-safe; reuse one per thread, its buffers stay allocated.
struct ValueColumnEncoder: ~Copyable {
    /// Where an own stream lies and what a reference to it predicts from.
    private struct Stream {
        var offset: Int
        var length: Int
        var count: Int
        var first: Int64
        var multiplier: Int64
        var kind: UInt8
    }

    private(set) var classes = ByteColumn()
    private(set) var multipliers = ByteColumn()
    private(set) var references = ByteColumn()
    private(set) var lengths = ByteColumn()
    private(set) var firsts = ByteColumn()
    private(set) var words = ByteColumn()
    private(set) var streams = ByteColumn(capacity: 4096)
    private var known: [Stream] = []
    /// Open addressing over stream numbers plus one, by hash of the bytes; 0 is free.
    private var slots: [UInt32] = []
    private var integers: UnsafeMutablePointer<Int64>
    private var integerCapacity: Int

    /// Streams shorter than this are not worth a reference.
    static let referencedBytesMin = 3

    init() {
        integerCapacity = 128
        integers = .allocate(capacity: 128)
    }

    deinit { integers.deallocate() }

    /// The end of each own stream within the streams column, in order.
    var streamCount: Int { known.count }
    func streamRange(_ index: Int) -> Range<Int> { known[index].offset..<known[index].offset + known[index].length }

    /// Starts a new set of columns for at most `seriesMax` series.
    mutating func begin(seriesMax: Int) {
        classes.clear()
        multipliers.clear()
        references.clear()
        lengths.clear()
        firsts.clear()
        words.clear()
        streams.clear()
        known.removeAll(keepingCapacity: true)
        var size = 16
        while size < seriesMax * 2 { size *= 2 }
        if slots.count < size {
            slots = [UInt32](repeating: 0, count: size)
        } else {
            for index in 0..<slots.count { slots[index] = 0 }
        }
    }

    /// Adds the next series.
    /// - Precondition: `count` ≥ 1 values at `values`; no more series than `begin` announced.
    mutating func add(_ values: UnsafePointer<Double>, count: Int) {
        let first = values[0].bitPattern
        var differing: UInt64 = 0
        for index in 1..<max(count, 1) { differing |= values[index].bitPattern ^ first }
        if differing == 0 {
            addConstant(values[0])
            return
        }
        if integerCapacity < count {
            integers.deallocate()
            integers = .allocate(capacity: count)
            integerCapacity = count
        }
        if let exponentIndex = ValueScaling.scale(values, count: count, into: integers) {
            addIntegers(count: count, exponentIndex: exponentIndex)
        } else {
            addXOR(values, count: count)
        }
    }

    /// Adds the next series, whose values are all this one.
    mutating func addConstant(_ value: Double) {
        if value.bitPattern == 0 {
            classes.append(ValueClass(.zero).rawValue)
            return
        }
        for exponentIndex in 0..<ValueClass.exponents.count {
            guard let whole = ValueScaling.integer(value, exponentIndex) else { continue }
            classes.append(ValueClass(.constant, exponentIndex: exponentIndex).rawValue)
            firsts.append(zigzag: whole)
            return
        }
        classes.append(ValueClass(.rawConstant).rawValue)
        words.append(littleEndian: value.bitPattern)
    }

    /// Takes `integers[0..<count]`, which are not all equal.
    private mutating func addIntegers(count: Int, exponentIndex: Int) {
        let integers = integers
        let first = integers[0]
        // In place: from here on integers[i] is the difference between i + 1 and i.
        var isRising = true
        var all: UInt64 = 0
        for index in 0..<count - 1 {
            let difference = integers[index + 1] - integers[index]
            integers[index] = difference
            isRising = isRising && difference >= 0
            all |= difference.magnitude
        }
        let differences = count - 1
        let multiplier = Self.commonDivisor(integers, count: differences, all: all)
        if multiplier > 1 { Self.divide(integers, count: differences, by: multiplier) }

        // Bit lengths stand for what zstd's entropy coder will make of the bytes.
        var plainBits = 0
        var curvedBits = 0
        var before: Int64 = 0
        for index in 0..<differences {
            let difference = integers[index]
            let plain = isRising ? UInt64(bitPattern: difference) : ByteColumn.zigzag(difference)
            plainBits += 64 - plain.leadingZeroBitCount
            curvedBits += 64 - ByteColumn.zigzag(difference - before).leadingZeroBitCount
            before = difference
        }
        let kind: ValueClass.Kind =
            differences > 1 && curvedBits * 20 < plainBits * 19 ? .deltaOfDelta : isRising ? .rising : .delta
        let start = streams.reserve(differences * 10)
        streams.commit(to: Self.writeDifferences(integers, count: differences, kind, at: start))
        finishSeries(
            ValueClass(kind, exponentIndex: exponentIndex), length: streams.base + streams.count - start,
            count: count, first: first, multiplier: multiplier)
    }

    private mutating func addXOR(_ values: UnsafePointer<Double>, count: Int) {
        let start = streams.reserve(count * 9)
        streams.commit(to: XORStream.write(values, count: count, at: start))
        finishSeries(
            ValueClass(.xor), length: streams.base + streams.count - start, count: count,
            first: Int64(bitPattern: values[0].bitPattern), multiplier: 1)
    }

    /// Enters the series whose stream was just written; takes the stream back if an earlier one equals it.
    private mutating func finishSeries(
        _ plain: ValueClass, length: Int, count: Int, first: Int64, multiplier: Int64
    ) {
        var valueClass = plain
        let kind = plain.rawValue & 7
        if multiplier > 1 {
            valueClass.rawValue |= ValueClass.multiplierBit
            multipliers.append(varint: UInt64(multiplier))
        }
        var isFirstKnown = false
        if let earlier = findOrEnter(
            Stream(
                offset: streams.count - length, length: length, count: count, first: first, multiplier: multiplier,
                kind: kind))
        {
            streams.commit(to: streams.base + streams.count - length)
            valueClass.rawValue |= ValueClass.referenceBit
            let source = known[earlier]
            isFirstKnown =
                kind != ValueClass.Kind.xor.rawValue
                && first == ValueColumnDirectory.predict(source.first, source.multiplier, multiplier)
            references.append(varint: UInt64(known.count - earlier - 1) << 1 | (isFirstKnown ? 1 : 0))
        } else {
            lengths.append(varint: UInt64(length - (count - 1)))
        }
        classes.append(valueClass.rawValue)
        if kind == ValueClass.Kind.xor.rawValue {
            words.append(littleEndian: UInt64(bitPattern: first))
        } else if !isFirstKnown {
            firsts.append(zigzag: first)
        }
    }

    /// - Returns: the number of an equal earlier stream; nil after entering this one.
    private mutating func findOrEnter(_ stream: Stream) -> Int? {
        let bytes = UnsafeRawPointer(streams.base + stream.offset)
        guard stream.length >= Self.referencedBytesMin else {
            known.append(stream)
            return nil
        }
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: Self.hash(bytes, stream.length) &+ UInt64(stream.kind)) & mask
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            let other = known[number]
            if other.length == stream.length, other.kind == stream.kind, other.count == stream.count,
                Self.equal(bytes, UnsafeRawPointer(streams.base + other.offset), stream.length)
            {
                return number
            }
            slot = (slot + 1) & mask
        }
        known.append(stream)
        slots[slot] = UInt32(known.count)
        return nil
    }
}
