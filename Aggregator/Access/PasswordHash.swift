import COpenSSL
import Sealing

/// Broker passwords as mosquitto stores them: `$7$<iterations>$<salt>$<hash>`, PBKDF2-HMAC-SHA-512 with a
/// 12-byte salt and a 64-byte hash, both in Base64 (mosquitto 2.0, `password_mosq.c`).
///
/// The passwords are 256 random bits, so the iteration count (mosquitto's own default) need not slow guessing.
package enum PasswordHash {
    package static let iterations: Int32 = 101
    static let saltBytes = 12
    static let hashBytes = 64

    package static func make(_ password: String) throws -> String {
        try make(password, salt: RandomBytes.make(saltBytes), iterations: iterations)
    }

    package static func make(_ password: String, salt: [UInt8], iterations: Int32) throws -> String {
        var hash = [UInt8](repeating: 0, count: hashBytes)
        let text = Array(password.utf8CString)
        let result = PKCS5_PBKDF2_HMAC(
            text, Int32(text.count - 1), salt, Int32(salt.count), iterations, EVP_sha512(), Int32(hashBytes), &hash)
        guard result == 1 else { throw AccessError(.system, "libcrypto refuses PBKDF2 with SHA-512") }
        return "$7$\(iterations)$\(Base64.encode(salt))$\(Base64.encode(hash))"
    }

    /// SHA-256, for the hash of a TLS key that enrolment tokens carry.
    static func sha256(_ bytes: [UInt8]) throws -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        guard EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil) == 1, length == 32 else {
            throw AccessError(.system, "libcrypto refuses SHA-256")
        }
        return digest
    }
}

/// RFC 4648 section 4, with padding.
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? digits[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// White space is passed over.
    /// - Returns: nil for any other character outside the alphabet.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var held: UInt32 = 0
        for character in text.utf8 where character != UInt8(ascii: "\n") && character != UInt8(ascii: "=") {
            guard let digit = digits.firstIndex(of: character) else { return nil }
            bits = bits << 6 | UInt32(digit)
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> held))
            }
        }
        return bytes
    }
}
