import Glibc

/// One source of metrics. A collector keeps its files open and its series numbered between calls.
///
/// Called by one thread at a time, never the same one for sure.
public protocol Collector {
    /// Lower-case, constant; the label value under which failures and times are reported.
    var name: String { get }
    /// Between two collections, unless configured otherwise; a divisor or multiple of a second.
    var defaultIntervalMilliseconds: Int64 { get }
    /// Appends the current values of all its series.
    /// - Throws: when nothing could be read; what was appended before is then dropped.
    mutating func collect(into sink: inout ScrapeSink) throws(CollectorError)
}

/// Why a collector gave nothing.
public enum CollectorError: Error, Equatable, CustomStringConvertible {
    /// This machine has no such source: not a failure, and tried again only now and then.
    case unavailable(String)
    /// The kernel refused: path and errno.
    case unreadable(String, Int32)
    /// The text was not what the kernel documents: path.
    case malformed(String)

    init(_ path: String, code: Int32) {
        self =
            code == ENOENT || code == ENOTDIR || code == EOPNOTSUPP || code == ENODEV
            ? .unavailable(path) : .unreadable(path, code)
    }

    public var description: String {
        switch self {
        case .unavailable(let path): "\(path): not present on this machine"
        case .unreadable(let path, let code): "\(path): \(String(cString: strerror(code)))"
        case .malformed(let path): "\(path): unexpected content"
        }
    }
}
