import CSodium

/// libsodium, initialised once. Every entry point of this module passes through ``ready()``.
enum Sodium {
    private static let isReady = sodium_init() >= 0

    @inline(__always) static func ready() {
        precondition(isReady, "libsodium does not initialise: no usable random source")
    }
}

/// Bytes from the kernel's random source.
public enum RandomBytes {
    public static func make(_ count: Int) -> [UInt8] {
        Sodium.ready()
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            if count > 0, let base = buffer.baseAddress { randombytes_buf(base, count) }
            initialized = count
        }
    }
    public static func nonce() -> [UInt8] { make(Int(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)) }
}

/// The kernel's randomness as a Swift generator, for epochs and serials.
public struct SecureGenerator: RandomNumberGenerator, Sendable {
    public init() { Sodium.ready() }
    public mutating func next() -> UInt64 {
        var value: UInt64 = 0
        randombytes_buf(&value, 8)
        return value
    }
}

/// Comparison whose time does not depend on where the bytes differ.
public enum ConstantTime {
    /// - Returns: false at once for different lengths, which are not secret.
    public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        Sodium.ready()
        guard left.count == right.count else { return false }
        return sodium_memcmp(left, right, left.count) == 0
    }
}
