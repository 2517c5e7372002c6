import Telemetry

/// Gathers JSON in a fixed buffer and hands it on in pieces, so that an answer of any size takes little memory.
struct JSONBytes: ~Copyable {
    /// Pieces are at most this long.
    static let pieceBytes = 64 << 10
    /// No number takes more.
    private static let numberBytesMax = 64

    private let buffer: UnsafeMutablePointer<UInt8>
    private var count = 0
    private let write: ([UInt8]) throws -> Void
    /// The digits that whole seconds began with last, 0: none; as text, in the order of memory.
    private var frontValue: UInt64 = 0
    private var frontText: UInt64 = 0
    private var frontDigits = 0
    /// The first error of `write`; nothing is written after it.
    private var problem: (any Error)?

    init(_ write: @escaping ([UInt8]) throws -> Void) {
        self.write = write
        buffer = .allocate(capacity: Self.pieceBytes)
    }

    deinit { buffer.deallocate() }

    /// Hands on the rest.
    /// - Throws: what `write` threw.
    mutating func finish() throws {
        flush()
        if let problem { throw problem }
    }

    private mutating func flush() {
        guard count > 0, problem == nil else {
            count = 0
            return
        }
        do {
            try write(Array(UnsafeBufferPointer(start: buffer, count: count)))
        } catch {
            problem = error
        }
        count = 0
    }

    @inline(__always)
    private mutating func reserve(_ bytes: Int) {
        if count + bytes > Self.pieceBytes { flush() }
    }

    @inline(__always)
    private mutating func put(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }

    private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress else { return }
        var rest = 0
        while rest < bytes.count {
            if count == Self.pieceBytes { flush() }
            let part = min(bytes.count - rest, Self.pieceBytes - count)
            (buffer + count).update(from: base + rest, count: part)
            count += part
            rest += part
        }
    }

    mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { append($0) }
    }

    mutating func byte(_ byte: UInt8) {
        reserve(1)
        put(byte)
    }

    mutating func integer(_ value: Int64) {
        reserve(Self.numberBytesMax)
        if value < 0 { put(UInt8(ascii: "-")) }
        unsigned(value.magnitude, digitsMin: 1)
    }

    /// The caller has reserved room.
    @inline(__always)
    private mutating func unsigned(_ value: UInt64, digitsMin: Int) {
        let digits = max(Self.digits(of: value), digitsMin)
        var rest = value
        var place = count + digits
        count = place
        // Two digits for one division.
        while rest >= 100 {
            let pair = rest % 100
            rest /= 100
            place -= 2
            buffer[place] = UInt8(truncatingIfNeeded: pair / 10) + UInt8(ascii: "0")
            buffer[place + 1] = UInt8(truncatingIfNeeded: pair % 10) + UInt8(ascii: "0")
        }
        while place > count - digits {
            place -= 1
            buffer[place] = UInt8(truncatingIfNeeded: rest % 10) + UInt8(ascii: "0")
            rest /= 10
        }
    }

    @inline(__always)
    private static func digits(of value: UInt64) -> Int {
        if value < 10 { return 1 }
        if value < 100 { return 2 }
        if value < 1000 { return 3 }
        var (digits, bound) = (4, 10_000 as UInt64)
        while digits < 20, value >= bound {
            digits += 1
            if digits < 20 { bound *= 10 }
        }
        return digits
    }

    /// A positive number with at most three decimals that is no whole one, most measured ones, without looking for its
    /// shortest text: of the decimals with up to 15 digits no two are the same double, so whatever reads back as `value`
    /// is the shortest.
    /// - Returns: false when it has more decimals; then nothing is written.
    @inline(__always)
    private mutating func shortDecimal(_ value: Double) -> Bool {
        guard value < 1e11 else { return false }
        let scaled = UInt64(value * 1000 + 0.5)
        guard Double(scaled) / 1000 == value else { return false }
        let (whole, thousandths) = scaled.quotientAndRemainder(dividingBy: 1000)
        unsigned(whole, digitsMin: 1)
        put(UInt8(ascii: "."))
        if thousandths % 10 != 0 {
            unsigned(thousandths, digitsMin: 3)
        } else if thousandths % 100 != 0 {
            unsigned(thousandths / 10, digitsMin: 2)
        } else {
            put(UInt8(truncatingIfNeeded: thousandths / 100) + UInt8(ascii: "0"))
        }
        return true
    }

    /// As ``unsigned(_:digitsMin:)``. The times of a series mostly begin with the same digits, all but the last four.
    @inline(__always)
    private mutating func wholeSeconds(_ value: UInt64) {
        let (front, back) = value.quotientAndRemainder(dividingBy: 10_000)
        guard front > 0 else { return unsigned(value, digitsMin: 1) }
        if front == frontValue {
            UnsafeMutableRawPointer(buffer + count).storeBytes(of: frontText, as: UInt64.self)
            count += frontDigits
        } else {
            let start = count
            unsigned(front, digitsMin: 1)
            frontDigits = count - start
            frontValue = frontDigits <= 8 ? front : 0
            frontText = UnsafeRawPointer(buffer + start).loadUnaligned(as: UInt64.self)
        }
        unsigned(back, digitsMin: 4)
    }

    /// Milliseconds as seconds: `1435781451.781`, whole seconds without a fraction.
    mutating func seconds(_ milliseconds: Int64) {
        reserve(Self.numberBytesMax)
        if milliseconds < 0 { put(UInt8(ascii: "-")) }
        let magnitude = milliseconds.magnitude
        wholeSeconds(magnitude / 1000)
        let fraction = magnitude % 1000
        guard fraction != 0 else { return }
        put(UInt8(ascii: "."))
        unsigned(fraction, digitsMin: 3)
    }

    /// A sample's value in quotes, as Prometheus writes it: the shortest decimal, with an exponent below 1e-6 and from
    /// 1e21 on; `NaN`, `+Inf`, `-Inf`.
    mutating func value(_ value: Double) {
        reserve(Self.numberBytesMax)
        put(UInt8(ascii: "\""))
        // Whole numbers up to 2^53 are exact and quick to print.
        if value.magnitude < 9_007_199_254_740_992, value.rounded(.towardZero) == value,
            value != 0 || value.sign == .plus
        {
            let integer = Int64(value)
            if integer < 0 { put(UInt8(ascii: "-")) }
            unsigned(integer.magnitude, digitsMin: 1)
        } else if value.magnitude >= 1e-3, value.magnitude < 1e15 {
            let start = count
            if value < 0 { put(UInt8(ascii: "-")) }
            if !shortDecimal(value.magnitude) {
                count = start
                // Swift prints the same as Go here.
                text(value.description)
            }
        } else {
            let isScientific = value != 0 && (value.magnitude < 1e-6 || value.magnitude >= 1e21)
            text(isScientific ? FloatText.scientific(value) : FloatText.plain(value))
        }
        byte(UInt8(ascii: "\""))
    }

    /// A JSON number; what is not finite is 0.
    mutating func number(_ value: Double) { text(value.isFinite ? FloatText.shortest(value) : "0") }

    private mutating func text(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    mutating func string(_ text: String) {
        byte(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            let needsEscape = bytes.contains { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
            if needsEscape { escape(bytes) } else { append(bytes) }
        }
        byte(UInt8(ascii: "\""))
    }

    private mutating func escape(_ bytes: UnsafeBufferPointer<UInt8>) {
        for character in bytes {
            switch character {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case 0x0a: raw("\\n")
            case 0x0d: raw("\\r")
            case 0x09: raw("\\t")
            case 0..<0x20:
                raw("\\u00")
                byte(Self.hexadecimal(character >> 4))
                byte(Self.hexadecimal(character & 15))
            default: byte(character)
            }
        }
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }

    /// `{…}` of labels.
    mutating func labels(_ labels: LabelSet) {
        raw("{")
        for (index, label) in labels.labels.enumerated() {
            if index > 0 { raw(",") }
            string(label.name)
            raw(":")
            string(label.value)
        }
        raw("}")
    }

    mutating func strings(_ texts: [String]) {
        raw("[")
        for (index, text) in texts.enumerated() {
            if index > 0 { raw(",") }
            string(text)
        }
        raw("]")
    }

    /// One sample: `[1435781451.781,"1"]`.
    mutating func sample(_ milliseconds: Int64, _ value: Double) {
        byte(UInt8(ascii: "["))
        seconds(milliseconds)
        byte(UInt8(ascii: ","))
        self.value(value)
        byte(UInt8(ascii: "]"))
    }
}
