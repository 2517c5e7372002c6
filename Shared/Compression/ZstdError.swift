/// Why compressing or decompressing failed.
public enum ZstdError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The library could not allocate a context.
    case outOfMemory
    /// The bytes are no single complete zstd frame that states its content size.
    case damaged(String)
    /// The frame claims or yields more than the caller's bound, bytes.
    case tooLarge(bound: Int)

    public var description: String {
        switch self {
        case .outOfMemory: "zstd: out of memory"
        case .damaged(let message): "zstd: \(message)"
        case .tooLarge(let bound): "zstd: content exceeds the bound of \(bound) bytes"
        }
    }
}
