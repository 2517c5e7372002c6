public import Telemetry

/// A document that another program offers over HTTP and that is fetched once per report.
public protocol PolledDocument: Sendable {
    /// For the agent's own metrics.
    static var source: String { get }
    /// The header of its requests.
    var accept: String { get }

    /// A report begins.
    mutating func begin()
    /// Takes an answer of status 200.
    /// - Returns: what to fetch next for the same report; nil: that was all.
    mutating func take(_ answer: HTTPAnswer, from address: HTTPTarget) throws(PolledFault) -> HTTPTarget?
    /// - Parameter isUp: whether all fetches went well.
    mutating func readings(isUp: Bool, now: Timestamp, monotonicMilliseconds: Int64) -> [SourceReading]
    mutating func takeDrops() -> DropCounts
}

/// Why a document is not what it should be.
public struct PolledFault: Error, Equatable, Sendable, CustomStringConvertible {
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// Bounds on any polled document.
public enum PolledLimits {
    public static let bodyBytesMax = 1 << 20
    /// Fetches of one report.
    public static let hopsMax = 3
}

enum ForeignTime {
    /// RFC 3339, and ISO 8601's zones without a colon as Icecast and packagers write them (`+0000`).
    static func parse(_ text: String) -> Timestamp? {
        let zone = text.utf8.suffix(5)
        guard zone.count == 5, zone.first == UInt8(ascii: "+") || zone.first == UInt8(ascii: "-"),
            zone.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
        else { return InternetTime.parse(text) }
        return InternetTime.parse(text.dropLast(2) + ":" + text.suffix(2))
    }
}
