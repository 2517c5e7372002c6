/// Chooses how to write a series as a packed stream, and writes it. Keeps its buffers; one per encoder.
///
/// `plan` first, which tells the size; then `write` or nothing.
struct PackedStreamWriter: ~Copyable {
    private(set) var head = PackedStream()
    private var codes: UnsafeMutablePointer<UInt64>
    private var capacity = 128
    private var codeCount = 0
    private var prefixBits = 0
    /// Of symbols at the smallest width that is tried.
    private let histogram: UnsafeMutablePointer<Int>
    private static let symbolsCounted = symbolsMax << widthsMore

    /// Symbols from here on are escapes in every code, at each width.
    private static let symbolsMax = 64
    /// So many widths are tried beyond the smallest.
    private static let widthsMore = 2
    /// The first values decide on the order and the memory.
    private static let triedMax = 256

    init() {
        codes = .allocate(capacity: 128)
        histogram = .allocate(capacity: Self.symbolsCounted)
    }
    deinit {
        codes.deallocate()
        histogram.deallocate()
    }

    /// The bytes that ``write(digits:to:)`` would add for what was planned last, without digits.
    var plannedBytes: Int { PackedStream.headBytesMax / 2 + (codeCount * head.width + 7) / 8 + (prefixBits + 7) / 8 }

    /// - Parameters:
    ///   - differences: of neighbouring integers; wrapping.
    ///   - count: of differences, at least 1.
    mutating func plan(
        _ differences: UnsafePointer<Int64>, count: Int, domain: PackedStream.Domain, places: Int = 0
    ) {
        if capacity < count {
            codes.deallocate()
            codes = .allocate(capacity: count)
            capacity = count
        }
        head = PackedStream()
        head.domain = domain
        head.places = places
        codeCount = count - 1
        var (level, sum): (Int64, Int64) = (0, 0)
        for index in 0..<count {
            level = level &+ differences[index]
            sum = sum &+ level
        }
        head.change = level
        head.mean = sum / Int64(count + 1)
        var best: (bits: Int, order: PackedStream.Order, memory: Int) = (.max, .step, 0)
        func attempt(_ order: PackedStream.Order, _ memory: Int) {
            head.order = order
            head.memory = memory
            // Half a percent is what chance makes of the values tried; then the mean of all is the better guess.
            let bits = residualBits(differences)
            if memory == 0 ? bits < best.bits : bits < best.bits - best.bits / 200 { best = (bits, order, memory) }
        }
        attempt(.step, 0)
        attempt(.level, 0)
        attempt(.step, 3)
        attempt(best.order, 1)
        attempt(best.order, 2)
        (head.order, head.memory) = (best.order, best.memory)
        chooseCode(bits: prepareCodes(differences))
    }

    /// The sum of the residuals' bit lengths, of what ``head`` says now.
    private borrowing func residualBits(_ differences: UnsafePointer<Int64>) -> Int {
        let shift = Int64(head.shift)
        let feedback = head.feedback
        let kept: Int64 = head.order == .level ? -1 : 0
        var expected = head.mean(count: codeCount + 2) &<< shift
        var before: Int64 = 0
        var bits = 0
        let tried = min(codeCount, Self.triedMax)
        for index in 0..<tried {
            // Of order level the value, else its difference from the one before.
            let actual = (before & kept) &+ differences[index]
            before = actual
            let residual = actual &- (expected &>> shift)
            expected = expected &+ (residual & feedback)
            bits &-= ByteColumn.zigzag(residual).leadingZeroBitCount
        }
        return bits + 64 * tried
    }

    /// - Returns: the sum of the codes' bit lengths.
    private mutating func prepareCodes(_ differences: UnsafePointer<Int64>) -> Int {
        let codes = codes
        let shift = Int64(head.shift)
        let feedback = head.feedback
        let kept: Int64 = head.order == .level ? -1 : 0
        var expected = head.mean(count: codeCount + 2) &<< shift
        var before: Int64 = 0
        var bits = 0
        for index in 0..<codeCount {
            let actual = (before & kept) &+ differences[index]
            before = actual
            let residual = actual &- (expected &>> shift)
            expected = expected &+ (residual & feedback)
            let code = ByteColumn.zigzag(residual)
            codes[index] = code
            bits &-= code.leadingZeroBitCount
        }
        return bits + 64 * codeCount
    }

    /// Takes the width and prefix code that cost least.
    private mutating func chooseCode(bits: Int) {
        // A normal distribution's mean bit length is its scale's logarithm less 0.4; codes are for scales of 4 to 8.
        let middle = codeCount == 0 ? 0 : bits / codeCount - 2
        let least = min(max(0, middle - 1), PackedStream.widthMax - Self.widthsMore)
        let (excesses, excessBits) = count(width: least)
        var best = Int.max
        for more in 0...Self.widthsMore {
            let width = least + more
            // Escapes that no code tells apart: six bits and about as many as the symbol has.
            let beyond = excessBits + excesses * (6 - more)
            for code in width == 0 ? PackedCode.all : PackedCode.coarse {
                let lengths = PackedCode.lengths[code]
                let escape = lengths.count - 1
                var prefix = beyond + excesses * Int(lengths[escape])
                for symbol in 0..<Self.symbolsCounted >> more where histogram[symbol << more] > 0 {
                    let length =
                        symbol < escape
                        ? Int(lengths[symbol])
                        : Int(lengths[escape]) + 6 + max(1, Int.bitWidth - (symbol - escape).leadingZeroBitCount)
                    prefix += histogram[symbol << more] * length
                }
                if prefix + codeCount * width < best {
                    best = prefix + codeCount * width
                    prefixBits = prefix
                    head.width = width
                    head.code = code
                }
            }
            fold(more)
        }
    }

    /// Makes the histogram that of one bit more of width: entries `2^(more + 1)` apart.
    private func fold(_ more: Int) {
        guard more < Self.widthsMore else { return }
        for symbol in stride(from: 0, to: Self.symbolsCounted, by: 2 << more) {
            histogram[symbol] += histogram[symbol + (1 << more)]
        }
    }

    /// Fills the histogram with the symbols of a width.
    /// - Returns: how many symbols are beyond it, and their bits.
    private func count(width: Int) -> (excesses: Int, bits: Int) {
        histogram.update(repeating: 0, count: Self.symbolsCounted)
        var (excesses, bits) = (0, 0)
        for index in 0..<codeCount {
            let symbol = codes[index] &>> UInt64(width)
            if symbol < UInt64(Self.symbolsCounted) {
                histogram[Int(symbol)] &+= 1
            } else {
                excesses += 1
                bits += 64 - symbol.leadingZeroBitCount
            }
        }
        return (excesses, bits)
    }

    /// Writes what was planned last.
    /// - Parameter digits: of domain decimals.
    func write(digits: UnsafeBufferPointer<UInt8>, to output: inout ByteColumn) {
        head.write(to: &output)
        let lowBytes = (codeCount * head.width + 7) / 8
        // An escape takes up to 11 + 6 + 64 bits.
        var low = BitWriter(output.reserve(lowBytes + codeCount * 11 + digits.count / 2 + 32))
        let width = UInt64(head.width)
        let start = low.next + lowBytes
        for index in 0..<codeCount { low.append(codes[index] & ((1 &<< width) &- 1), bits: width) }
        // Whatever the low bits' last word spoilt behind them is written now.
        var high = BitWriter(start)
        let lengths = PackedCode.lengths[head.code]
        let prefixes = PackedCode.codes[head.code]
        let escape = UInt64(lengths.count - 1)
        for index in 0..<codeCount {
            let symbol = codes[index] &>> width
            guard symbol >= escape else {
                high.append(UInt64(prefixes[Int(symbol)]), bits: UInt64(lengths[Int(symbol)]))
                continue
            }
            high.append(UInt64(prefixes[Int(escape)]), bits: UInt64(lengths[Int(escape)]))
            let excess = symbol - escape
            let bits = UInt64(max(1, 64 - excess.leadingZeroBitCount))
            high.append(bits - 1, bits: 6)
            high.append(excess & 0xffff_ffff, bits: min(bits, 32))
            if bits > 32 { high.append(excess >> 32, bits: bits - 32) }
        }
        high.finish()
        var end = high.next
        for index in stride(from: (digits.count + 1) / 2 * 2 - 1, to: 0, by: -2) {
            end.pointee = (index < digits.count ? digits[index] << 4 : 0) | digits[index - 1]
            end += 1
        }
        output.commit(to: end)
    }
}

/// Appends bits, the first one lowest; stores whole words, so that up to eight bytes behind the last one are spoilt.
struct BitWriter {
    private(set) var next: UnsafeMutablePointer<UInt8>
    private var word: UInt64 = 0
    private var used: UInt64 = 0

    init(_ start: UnsafeMutablePointer<UInt8>) { next = start }

    /// - Parameter bits: at most ``PackedStream/widthMax``; the value has none beyond.
    @inline(__always)
    mutating func append(_ value: UInt64, bits: UInt64) {
        word |= value &<< used
        used &+= bits
        UnsafeMutableRawPointer(next).storeBytes(of: word.littleEndian, as: UInt64.self)
        next += Int(truncatingIfNeeded: used >> 3)
        word &>>= used & 0x38
        used &= 7
    }

    /// Takes the byte that was begun.
    mutating func finish() {
        if used > 0 { next += 1 }
        (word, used) = (0, 0)
    }
}
