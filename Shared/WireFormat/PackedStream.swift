// A packed stream: integers that are mostly noise, as the difference from what was expected of each.
//
//   byte 0        bits 0-1 domain, bit 2 order, bits 3-4 memory, bits 5-7 the code's number modulo 8
//   byte 1        bits 0-5 width w (0...56), bits 6-7 the code's number divided by 8
//   byte          domain decimals only: places, 0...22
//   zigzag        last integer minus first
//   zigzag        order level only: the mean integer minus the first
//   ⌈(n − 2)w/8⌉  per value but the first and the last the low w bits of its code, least significant first
//   bits          for each of the same the code's rest as a symbol of the prefix code, padded with bits to a byte
//   digits        domain decimals only: from the stream's end backwards, four bits each, low half first
//
// FORMAT.md says what they stand for. A stream is followed by at least eight bytes that can be read.

/// What the head of a packed stream says.
struct PackedStream {
    /// What the integers are.
    enum Domain: UInt8 {
        /// Multiples of the series' multiplier, scaled by its power of ten.
        case integers = 0
        /// The first digits of numbers of fifteen significant decimal digits.
        case decimals = 1
        /// Bits of doubles in the order of their values.
        case floats = 2
    }
    /// What is expected next: a level, or a step from the value before.
    enum Order: UInt8 {
        case level = 0
        case step = 1
    }

    /// Residuals' share that moves the expectation: none, 1/4, 1/16, 1.
    static let shifts: [UInt64] = [0, 2, 4, 0]
    static let widthMax = 56
    static let placesMax = 22
    /// Behind the last stream.
    static let paddingBytes = 8
    static let headBytesMax = 3 + 10 + 10

    var domain = Domain.integers
    var order = Order.step
    /// Index into ``shifts``; 0 keeps the mean.
    var memory = 0
    var code = 0
    var width = 0
    var places = 0
    /// Last minus first.
    var change: Int64 = 0
    /// Mean minus first; of order step it follows from the change.
    var mean: Int64 = 0

    var shift: UInt64 { Self.shifts[memory] }
    /// What a residual adds to the expectation is ANDed with this.
    var feedback: Int64 { memory == 0 ? 0 : -1 }

    func mean(count: Int) -> Int64 { order == .level ? mean : change / Int64(max(count - 1, 1)) }

    /// - Returns: nil when it is no valid head; else what it says and where the low bits start.
    static func readHead(_ stream: UnsafePointer<UInt8>, length: Int) -> (head: PackedStream, bytes: Int)? {
        var cursor = ColumnCursor(UnsafeRawBufferPointer(start: stream, count: length))
        let (first, second) = (cursor.byte(), cursor.byte())
        guard let domain = Domain(rawValue: first & 3) else { return nil }
        var head = PackedStream()
        head.domain = domain
        head.order = first & 4 == 0 ? .level : .step
        head.memory = Int(first >> 3 & 3)
        head.code = Int(first >> 5 | second >> 6 &* 8)
        head.width = Int(second & 0x3f)
        if domain == .decimals { head.places = Int(cursor.byte()) }
        head.change = cursor.zigzag()
        if head.order == .level { head.mean = cursor.zigzag() }
        guard cursor.isValid, head.code < PackedCode.lengths.count, head.width <= widthMax, head.places <= placesMax
        else { return nil }
        return (head, length - cursor.remaining)
    }

    func write(to output: inout ByteColumn) {
        output.append(domain.rawValue | order.rawValue << 2 | UInt8(memory << 3) | UInt8(code & 7) << 5)
        output.append(UInt8(width | code / 8 * 64))
        if domain == .decimals { output.append(UInt8(places)) }
        output.append(zigzag: change)
        if order == .level { output.append(zigzag: mean) }
    }
}
