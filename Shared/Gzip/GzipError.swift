/// Why gzip bytes were refused.
public enum GzipError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes are no gzip members, or their checksum is wrong.
    case damaged
    /// They end within a member.
    case truncated
    /// They inflate to more than the caller's bound, bytes.
    case tooLarge(bound: Int)
    /// zlib could not have its memory.
    case outOfMemory

    public var description: String {
        switch self {
        case .damaged: "not a gzip stream, or a damaged one"
        case .truncated: "the gzip stream ends too early"
        case .tooLarge(let bound): "gzip: more than \(bound) bytes when inflated"
        case .outOfMemory: "no memory for gzip"
        }
    }
}
