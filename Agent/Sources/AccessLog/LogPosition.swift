/// How far a log has been read: the file, by its number on the disk and its first bytes, and the end of the last
/// complete line.
///
///     offset  width  field (little-endian)
///          0      1  version, 1
///          1      8  FNV-1a of the log's path in the settings: another path is another log
///          9      8  device
///         17      8  inode
///         25      8  offset, the bytes read
///         33      2  length of the beginning that is known, at most 256
///         35      8  FNV-1a of the beginning
public struct LogPosition: Sendable, Equatable {
    public static let beginningBytesMax = 256
    public static let encodedBytes = 43

    public var pathHash: UInt64
    public var device: UInt64
    public var inode: UInt64
    public var offset: UInt64
    public var beginningLength: Int
    public var beginningHash: UInt64

    public init(
        path: String, device: UInt64, inode: UInt64, offset: UInt64, beginning: some Collection<UInt8> = [UInt8]()
    ) {
        pathHash = Self.hash(path.utf8)
        self.device = device
        self.inode = inode
        self.offset = offset
        beginningLength = min(beginning.count, Self.beginningBytesMax)
        beginningHash = Self.hash(beginning.prefix(Self.beginningBytesMax))
    }

    public func isOf(path: String) -> Bool { pathHash == Self.hash(path.utf8) }

    /// - Parameter beginning: the file's first bytes, at least ``beginningLength`` of them if it has as many.
    public func matches(beginning: some Collection<UInt8>) -> Bool {
        beginning.count >= beginningLength && Self.hash(beginning.prefix(beginningLength)) == beginningHash
    }

    public var encoded: [UInt8] {
        var bytes: [UInt8] = [1]
        for value in [pathHash, device, inode, offset] { Self.append(value, 8, to: &bytes) }
        Self.append(UInt64(beginningLength), 2, to: &bytes)
        Self.append(beginningHash, 8, to: &bytes)
        return bytes
    }

    /// - Returns: nil for bytes of another version or length.
    public init?(encoded bytes: [UInt8]) {
        guard bytes.count == Self.encodedBytes, bytes[0] == 1 else { return nil }
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        pathHash = number(1..<9)
        device = number(9..<17)
        inode = number(17..<25)
        offset = number(25..<33)
        beginningLength = Int(number(33..<35))
        beginningHash = number(35..<43)
        guard beginningLength <= Self.beginningBytesMax, offset <= UInt64(Int64.max) else { return nil }
    }

    private static func append(_ value: UInt64, _ width: Int, to bytes: inout [UInt8]) {
        for shift in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(shift)))) }
    }

    private static func hash(_ bytes: some Collection<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}
