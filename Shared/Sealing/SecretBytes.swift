import CSodium

/// Key material that is overwritten when the last reference goes. Never printed, hashed or copied out
/// except where a caller asks for it by name.
///
/// `@unchecked Sendable`: the bytes are written in the initialiser only.
final class SecretBytes: @unchecked Sendable {
    let buffer: UnsafeMutableRawBufferPointer

    init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        Sodium.ready()
        buffer = .allocate(byteCount: count, alignment: 16)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        fill(buffer)
    }

    convenience init(copying bytes: some Collection<UInt8>) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    deinit {
        if let base = buffer.baseAddress { sodium_memzero(base, buffer.count) }
        buffer.deallocate()
    }

    /// Only valid while `self` lives: use within `withExtendedLifetime`.
    var pointer: UnsafePointer<UInt8> { UnsafePointer(mutablePointer) }
    var mutablePointer: UnsafeMutablePointer<UInt8> {
        guard let base = buffer.baseAddress else { preconditionFailure("empty secret") }
        return base.assumingMemoryBound(to: UInt8.self)
    }
    /// A copy that nobody wipes; the caller stores it sealed or in a 0600 file.
    func copy() -> [UInt8] { [UInt8](buffer) }
}

extension Array<UInt8> {
    /// Overwrites the elements. Useful only while no other copy of the array shares them.
    mutating func wipe() {
        let size = count
        withUnsafeMutableBytes { if let base = $0.baseAddress { sodium_memzero(base, size) } }
    }
}
