/// Sixteen opaque bytes: an epoch, a data-key id, a boot id, a user pseudonym.
public struct ID128: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The first eight bytes, big-endian, so that the order of values is the order of bytes.
    public let high: UInt64
    public let low: UInt64

    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    /// - Returns: nil unless `bytes` holds exactly sixteen.
    @inlinable public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for (index, byte) in bytes.enumerated() {
            if index < 8 { words.0 = words.0 << 8 | UInt64(byte) } else { words.1 = words.1 << 8 | UInt64(byte) }
        }
        self.init(high: words.0, low: words.1)
    }
    public init(random generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }
    public static let zero = ID128(high: 0, low: 0)

    public var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) }
    }
    public static func < (left: ID128, right: ID128) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
    /// Thirty-two lower-case hexadecimal digits.
    public var description: String { Hexadecimal.encode(bytes) }
    public init?(hexadecimal text: String) {
        guard let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }
}

/// Thirty-two opaque bytes: a content hash, a public key.
public struct ID256: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let high: ID128
    public let low: ID128

    @inlinable public init(high: ID128, low: ID128) {
        self.high = high
        self.low = low
    }
    @inlinable public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32, let high = ID128(bytes: bytes.prefix(16)), let low = ID128(bytes: bytes.suffix(16))
        else { return nil }
        self.init(high: high, low: low)
    }
    public static let zero = ID256(high: .zero, low: .zero)
    public var bytes: [UInt8] { high.bytes + low.bytes }
    public static func < (left: ID256, right: ID256) -> Bool { (left.high, left.low) < (right.high, right.low) }
    /// Sixty-four lower-case hexadecimal digits.
    public var description: String { high.description + low.description }
    public init?(hexadecimal text: String) {
        guard let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }
}

/// Lower-case hexadecimal text of bytes.
public enum Hexadecimal {
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil on an odd length or a character outside `0-9a-fA-F`.
    public static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var pending: UInt8?
        for character in text.utf8 {
            guard let digit = value(character) else { return nil }
            if let high = pending {
                bytes.append(high << 4 | digit)
                pending = nil
            } else {
                pending = digit
            }
        }
        return pending == nil ? bytes : nil
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// One start of an agent: drawn at random at each start, so that no sequence is ever reused.
public typealias EpochID = ID128
/// The BLAKE2b-128 of a data key.
public typealias DataKeyID = ID128
/// The BLAKE2b-256 of an encoded series table.
public typealias TableHash = ID256
/// A user identifier after keyed hashing (BLAKE2b-128 under the tenant's pseudonym key).
public typealias UserPseudonym = ID128
