public import WireFormat

/// Why something does not open or verify.
public enum SealingError: Error, Equatable, Sendable {
    /// The bytes are not such a thing at all.
    case malformed(WireError)
    /// The seal or signature is not the expected key's over these bytes in this context.
    case notAuthentic
    /// A key of the wrong length or one that the curve refuses.
    case invalidKey
    /// A system call on a sealed file or key file failed: the call, the path, errno.
    case system(String, path: String, code: Int32)
    /// A key file that others may read, or of the wrong size: the path and what is wrong.
    case unsafeKeyFile(path: String, String)
}
