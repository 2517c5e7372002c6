/// Why one record of a request was refused, in words that its producer can act on.
///
/// Never holds what the record said, except for lengths and field names: a reason may end up in a log.
public struct IntakeRejection: Error, Sendable, Equatable {
    /// The record's position in the request, from 0, in the order written.
    public var index: Int
    /// The offending field; nil when the record as a whole is meant.
    public var field: String?
    /// What is wrong and what to do about it.
    public var reason: String

    /// Whether the bytes were not even JSON.
    public var isSyntaxError: Bool

    public init(index: Int, field: String?, reason: String, isSyntaxError: Bool = false) {
        self.index = index
        self.field = field
        self.reason = reason
        self.isSyntaxError = isSyntaxError
    }
}

/// The refused records of a request: all counted, the first ``listedMax`` described.
public struct IntakeRejections: Sendable, Equatable {
    public static let listedMax = 100

    public private(set) var listed: [IntakeRejection] = []
    public private(set) var count = 0

    public init() {}
    public mutating func append(_ rejection: IntakeRejection) {
        count += 1
        if listed.count < Self.listedMax { listed.append(rejection) }
    }
    public var isEmpty: Bool { count == 0 }
}

/// Bounds on one request, whatever its kind.
public enum IntakeLimits {
    /// The server reads no more of a body than this and answers 413.
    public static let bodyBytesMax = 1 << 20
    /// Records beyond this are refused, not read.
    public static let recordsMax = 4096
}
