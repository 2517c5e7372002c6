import Glibc

/// A run of bytes within a read buffer; valid until the buffer is filled again.
typealias Bytes = UnsafeRawBufferPointer

extension UnsafeRawBufferPointer {
    /// Whether the bytes are exactly those of `text`.
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && starts(with: text)
    }

    @inline(__always)
    func equals(_ other: [UInt8]) -> Bool {
        guard count == other.count, let base = baseAddress else { return count == other.count }
        return memcmp(base, other, count) == 0
    }

    @inline(__always)
    func starts(with text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount, let base = baseAddress else { return text.utf8CodeUnitCount == 0 }
        return memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    /// Without the first `count` bytes.
    @inline(__always)
    func dropping(_ length: Int) -> Bytes { Bytes(rebasing: self[Swift.min(length, count)...]) }

    /// Text with invalid UTF-8 replaced; slow path only.
    var text: String { String(decoding: self, as: UTF8.self) }

    /// Without leading and trailing blanks and line ends.
    var trimmed: Bytes {
        var start = 0
        var end = count
        while start < end, self[start] <= 32 { start += 1 }
        while end > start, self[end - 1] <= 32 { end -= 1 }
        return Bytes(rebasing: self[start..<end])
    }
}

/// Reads kernel text left to right without allocating and without ever reading past the end.
///
/// Every read says whether it found what it was asked for; nothing here traps on any input.
struct ByteCursor {
    private var next: UnsafePointer<UInt8>
    private let end: UnsafePointer<UInt8>

    init(_ bytes: Bytes) {
        let empty: StaticString = ""
        next = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? empty.utf8Start
        end = next + bytes.count
    }

    var isAtEnd: Bool { next >= end }
    var rest: Bytes { Bytes(start: next, count: end - next) }

    /// The next line without its line feed; nil at the end.
    @inline(__always)
    mutating func line() -> Bytes? {
        guard next < end else { return nil }
        let start = next
        let length = end - next
        if let found = memchr(next, 10, length) {
            let stop = UnsafePointer(found.assumingMemoryBound(to: UInt8.self))
            next = stop + 1
            return Bytes(start: start, count: stop - start)
        }
        next = end
        return Bytes(start: start, count: length)
    }

    @inline(__always)
    mutating func skipBlanks() {
        while next < end, next.pointee == 32 || next.pointee == 9 { next += 1 }
    }

    /// The next run of non-blank bytes; nil at the end.
    @inline(__always)
    mutating func word() -> Bytes? {
        skipBlanks()
        let start = next
        while next < end, next.pointee != 32, next.pointee != 9 { next += 1 }
        return next == start ? nil : Bytes(start: start, count: next - start)
    }

    /// Everything up to `byte`, which is consumed but not returned; nil when it does not occur.
    @inline(__always)
    mutating func upTo(_ byte: UInt8) -> Bytes? {
        guard next < end, let found = memchr(next, Int32(byte), end - next) else { return nil }
        let start = next
        let stop = UnsafePointer(found.assumingMemoryBound(to: UInt8.self))
        next = stop + 1
        return Bytes(start: start, count: stop - start)
    }

    /// Consumes `byte` if it is next.
    @inline(__always)
    mutating func skip(_ byte: UInt8) -> Bool {
        guard next < end, next.pointee == byte else { return false }
        next += 1
        return true
    }

    /// A decimal number after blanks; nil (nothing consumed but the blanks) when there is none or it exceeds 64 bits.
    @inline(__always)
    mutating func unsigned() -> UInt64? {
        skipBlanks()
        let start = next
        var value: UInt64 = 0
        while next < end {
            let digit = next.pointee &- 48
            guard digit < 10 else { break }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else {
                next = start
                return nil
            }
            value = sum
            next += 1
        }
        return next == start ? nil : value
    }

    /// A decimal number with an optional sign.
    @inline(__always)
    mutating func signed() -> Int64? {
        skipBlanks()
        let start = next
        let isNegative = skip(45)
        guard let magnitude = unsigned(), let value = Int64(exactly: magnitude) else {
            next = start
            return nil
        }
        return isNegative ? -value : value
    }

    /// A hexadecimal number after blanks, with or without `0x`.
    @inline(__always)
    mutating func hexadecimal() -> UInt64? {
        skipBlanks()
        let start = next
        if end - next > 2, next.pointee == 48, next[1] | 32 == 120 { next += 2 }
        var value: UInt64 = 0
        var digits = 0
        while next < end {
            let byte = next.pointee
            let digit: UInt8
            switch byte {
            case 48...57: digit = byte - 48
            case 65...70: digit = byte - 55
            case 97...102: digit = byte - 87
            default: digit = 255
            }
            guard digit < 16 else { break }
            digits += 1
            guard digits <= 16 else { break }
            value = value << 4 | UInt64(digit)
            next += 1
        }
        guard digits > 0, digits <= 16 else {
            next = start
            return nil
        }
        return value
    }

    /// A decimal fraction such as `0.34` or `-12.5` without exponent, correctly rounded up to 15 digits.
    @inline(__always)
    mutating func decimal() -> Double? {
        skipBlanks()
        let start = next
        let isNegative = skip(45)
        guard let whole = unsigned() else {
            next = start
            return nil
        }
        var mantissa = Double(whole)
        if next < end, next.pointee == 46 {
            next += 1
            var scale = 1.0
            var digits = 0
            while next < end {
                let digit = next.pointee &- 48
                guard digit < 10 else { break }
                if digits < 9 {
                    mantissa = mantissa * 10 + Double(digit)
                    scale *= 10
                    digits += 1
                }
                next += 1
            }
            mantissa /= scale
        }
        return isNegative ? -mantissa : mantissa
    }
}
