/// A JSON number: whole where it is written without fraction and exponent and fits, else floating point.
package enum JSONNumber: Sendable, Equatable {
    case integer(Int64)
    case double(Double)

    /// The exact whole value; also of `1.0` and `1e3`.
    package var wholeValue: Int64? {
        switch self {
        case .integer(let value): value
        case .double(let value): Int64(exactly: value)
        }
    }
    package var doubleValue: Double {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        }
    }
}

extension JSONReader {
    /// Longer number texts are refused: no float64 needs more than 767 digits, and no honest producer writes 128.
    package static let numberBytesMax = 128
    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    @inline(__always)
    private func digit(at index: Int) -> UInt64? {
        guard index < bytes.count else { return nil }
        let value = bytes[index] &- UInt8(ascii: "0")
        return value < 10 ? UInt64(value) : nil
    }

    /// Reads a number by RFC 8259's grammar (no leading zeros, no `+`, digits on both sides of the point).
    ///
    /// Up to 19 digits are kept as a whole mantissa; with at most 2^53 and a power of ten up to 22 the result is exact
    /// by one multiplication or division (Clinger 1990), anything else goes through the standard library.
    package mutating func readNumber() throws(JSONError) -> JSONNumber {
        skipWhitespace()
        let start = position
        var index = position
        let isNegative = index < bytes.count && bytes[index] == UInt8(ascii: "-")
        if isNegative { index += 1 }
        guard let first = digit(at: index) else { throw error(.invalidNumber) }
        var mantissa = first
        var overflowed = false
        index += 1
        if first == 0, digit(at: index) != nil { throw error(.invalidNumber) }
        while let next = digit(at: index) {
            append(next, to: &mantissa, &overflowed)
            index += 1
        }
        var isWhole = true
        var exponent = 0
        if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
            isWhole = false
            index += 1
            guard digit(at: index) != nil else { throw error(.invalidNumber) }
            while let next = digit(at: index) {
                append(next, to: &mantissa, &overflowed)
                exponent -= 1
                index += 1
            }
        }
        if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            exponent += try readExponent(&index)
        }
        guard index - start <= Self.numberBytesMax else { throw error(.invalidNumber) }
        position = index
        if isWhole, !overflowed {
            if mantissa <= UInt64(Int64.max) { return .integer(isNegative ? -Int64(mantissa) : Int64(mantissa)) }
            if isNegative, mantissa == 1 << 63 { return .integer(.min) }
        }
        if !overflowed, mantissa <= 1 << 53, abs(exponent) <= 22 {
            let power = Self.powersOfTen[abs(exponent)]
            let magnitude = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return .double(isNegative ? -magnitude : magnitude)
        }
        let text = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<index]), as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            throw JSONError(problem: .invalidNumber, offset: start)
        }
        return .double(value)
    }

    @inline(__always)
    private func append(_ digit: UInt64, to mantissa: inout UInt64, _ overflowed: inout Bool) {
        let (product, isOver) = mantissa.multipliedReportingOverflow(by: 10)
        let (sum, isOverToo) = product.addingReportingOverflow(digit)
        mantissa = sum
        overflowed = overflowed || isOver || isOverToo
    }

    private func readExponent(_ index: inout Int) throws(JSONError) -> Int {
        index += 1
        var isNegative = false
        if index < bytes.count, bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+") {
            isNegative = bytes[index] == UInt8(ascii: "-")
            index += 1
        }
        guard digit(at: index) != nil else { throw error(.invalidNumber) }
        var value = 0
        while let next = digit(at: index) {
            value = min(value * 10 + Int(next), 1_000_000)
            index += 1
        }
        return isNegative ? -value : value
    }

    package mutating func readBoolean() throws(JSONError) -> Bool {
        skipWhitespace()
        if consume("true") { return true }
        if consume("false") { return false }
        throw expected("true or false")
    }

    package mutating func readNull() throws(JSONError) {
        skipWhitespace()
        guard consume("null") else { throw expected("null") }
    }

    private mutating func consume(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        for index in 0..<count where bytes[position + index] != word.utf8Start[index] { return false }
        position += count
        return true
    }
}
