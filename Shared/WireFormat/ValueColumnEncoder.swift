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
    struct Stream {
        /// Within ``streams``; in ``packed`` of those which have no other form.
        var offset: Int
        var length: Int
        var count: Int
        var first: Int64
        var multiplier: Int64
        var kind: UInt8
        /// The packed form of the same within ``packed``; of no length if it does not pay.
        var packedForm = 0..<0
        /// What zstd makes of the other form when nothing repeats, bytes; of those that have both.
        var cost = 0

        var isOnlyPacked: Bool { kind == ValueClass.Kind.packed.rawValue }
    }
    /// A series that has a stream, and what its last value follows from.
    struct Moving {
        var series: Int
        var stream: Int
        /// In units of the multiplier: the last integer minus the first; of kind XOR the last value's bits.
        var last: Int64
    }

    var classes = ByteColumn()
    private(set) var multipliers = ByteColumn()
    private(set) var references = ByteColumn()
    var lengths = ByteColumn()
    private(set) var firsts = ByteColumn()
    private(set) var words = ByteColumn()
    /// What the last values follow from, of series that have streams which do not tell.
    var lasts = ByteColumn()
    var streams = ByteColumn(capacity: 4096)
    /// Packed streams, which nothing compresses further.
    var packed = ByteColumn()
    var known: [Stream] = []
    /// When packing: the series that have streams.
    var moving: [Moving] = []
    /// When packing: the end of each stream within the streams column, once settled.
    var streamEnds: [Int] = []
    /// Open addressing over stream numbers plus one, by hash of the bytes; 0 is free.
    private var slots: [UInt32] = []
    private var integers: UnsafeMutablePointer<Int64>
    private var integerCapacity: Int
    private var packer = PackedStreamWriter()
    private var digits: [UInt8] = []
    private let packs: Bool

    /// Streams shorter than this are not worth a reference.
    static let referencedBytesMin = 3
    /// Fewer differences are not worth a packed stream's head.
    static let packedDifferencesMin = 16

    /// - Parameter packs: write what is mostly noise as packed streams.
    init(packs: Bool = false) {
        self.packs = packs
        integerCapacity = 128
        integers = .allocate(capacity: 128)
    }

    deinit { integers.deallocate() }

    /// Starts a new set of columns for at most `seriesMax` series.
    mutating func begin(seriesMax: Int) {
        classes.clear()
        multipliers.clear()
        references.clear()
        lengths.clear()
        firsts.clear()
        words.clear()
        lasts.clear()
        streams.clear()
        packed.clear()
        known.removeAll(keepingCapacity: true)
        moving.removeAll(keepingCapacity: true)
        streamEnds.removeAll(keepingCapacity: true)
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
            addOthers(values, count: count)
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
        let change = integers[count - 1] - first
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
        let isNoisy = packs && differences >= Self.packedDifferencesMin && min(plainBits, curvedBits) > differences
        if isNoisy { packer.plan(integers, count: differences, domain: .integers) }
        let start = streams.count
        let end = Self.writeDifferences(integers, count: differences, kind, at: streams.reserve(differences * 10))
        streams.commit(to: end)
        let cost = isNoisy ? StreamCost.bytes(streams.bytes[start...]) : 0
        let form = packer.plannedBytes < cost ? writePacked(digits: 0) : 0..<0
        finishSeries(
            ValueClass(kind, exponentIndex: exponentIndex), length: streams.count - start, count: count, first: first,
            multiplier: multiplier, last: packs ? change / multiplier : 0, packedForm: form, cost: cost)
    }

    /// Values that no power of ten makes whole.
    private mutating func addOthers(_ values: UnsafePointer<Double>, count: Int) {
        let start = streams.count
        streams.commit(to: XORStream.write(values, count: count, at: streams.reserve(count * 9)))
        let length = streams.count - start
        if packs, count > Self.packedDifferencesMin {
            let (first, digits) = planOthers(values, count: count)
            if packer.plannedBytes + (digits + 1) / 2 < StreamCost.bytes(streams.bytes[start...]) {
                streams.cut(to: start)
                let form = writePacked(digits: digits)
                return finishSeries(
                    ValueClass(.packed), length: form.count, count: count, first: first, multiplier: 1, last: 0)
            }
        }
        finishSeries(
            ValueClass(.xor), length: length, count: count, first: Int64(bitPattern: values[0].bitPattern),
            multiplier: 1, last: Int64(bitPattern: values[count - 1].bitPattern))
    }

    /// - Returns: the first integer and how many digits stand apart.
    private mutating func planOthers(_ values: UnsafePointer<Double>, count: Int) -> (first: Int64, digits: Int) {
        let integers = integers
        if digits.count < count * SignificantDigits.extraMax {
            digits = [UInt8](repeating: 0, count: count * SignificantDigits.extraMax)
        }
        let split = digits.withUnsafeMutableBufferPointer { digits in
            digits.baseAddress.flatMap { SignificantDigits.split(values, count: count, into: integers, digits: $0) }
        }
        if split == nil { for index in 0..<count { integers[index] = FloatOrder.integer(values[index]) } }
        let first = integers[0]
        for index in 0..<count - 1 { integers[index] = integers[index + 1] &- integers[index] }
        packer.plan(integers, count: count - 1, domain: split == nil ? .floats : .decimals, places: split?.places ?? 0)
        return (first, split?.digits ?? 0)
    }

    /// Writes what the packer has planned.
    /// - Returns: its place among the packed bytes.
    private mutating func writePacked(digits: Int) -> Range<Int> {
        let start = packed.count
        self.digits.withUnsafeBufferPointer {
            packer.write(digits: UnsafeBufferPointer(rebasing: $0[..<digits]), to: &packed)
        }
        return start..<packed.count
    }

    /// Enters the series whose stream was just written; takes the stream back if an earlier one equals it.
    private mutating func finishSeries(
        _ plain: ValueClass, length: Int, count: Int, first: Int64, multiplier: Int64, last: Int64,
        packedForm: Range<Int> = 0..<0, cost: Int = 0
    ) {
        var valueClass = plain
        let kind = plain.rawValue & 7
        let isPacked = plain.kind == .packed
        let start = (isPacked ? packed.count : streams.count) - length
        var number = known.count
        if multiplier > 1 {
            valueClass.rawValue |= ValueClass.multiplierBit
            multipliers.append(varint: UInt64(multiplier))
        }
        var isFirstKnown = false
        if let earlier = findOrEnter(
            Stream(
                offset: start, length: length, count: count, first: first, multiplier: multiplier, kind: kind,
                packedForm: packedForm, cost: cost))
        {
            number = earlier
            if !isPacked { streams.cut(to: start) }
            packed.cut(to: isPacked ? start : packed.count - packedForm.count)
            valueClass.rawValue |= ValueClass.referenceBit
            let source = known[earlier]
            isFirstKnown =
                kind != ValueClass.Kind.xor.rawValue
                && first == ValueColumnDirectory.predict(source.first, source.multiplier, multiplier)
            references.append(varint: UInt64(known.count - earlier - 1) << 1 | (isFirstKnown ? 1 : 0))
        } else if !packs {
            lengths.append(varint: UInt64(length - (count - 1)))
        }
        if packs { moving.append(Moving(series: classes.count, stream: number, last: last)) }
        classes.append(valueClass.rawValue)
        if kind == ValueClass.Kind.xor.rawValue {
            words.append(littleEndian: UInt64(bitPattern: first))
        } else if !isFirstKnown {
            firsts.append(zigzag: first)
        }
    }

    /// - Returns: the number of an equal earlier stream; nil after entering this one.
    private mutating func findOrEnter(_ stream: Stream) -> Int? {
        let base = UnsafeRawPointer(stream.isOnlyPacked ? packed.base : streams.base)
        let bytes = base + stream.offset
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
                Self.equal(bytes, base + other.offset, stream.length)
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
