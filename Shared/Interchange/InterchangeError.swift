/// Why bytes of a foreign format were refused, and where.
public struct InterchangeError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Place: Equatable, Sendable {
        /// From 1.
        case line(Int)
        /// Bytes from the start of the (inflated) body.
        case byte(Int)
        /// The body as a whole.
        case body
    }

    public var place: Place
    public var reason: String

    public init(_ place: Place, _ reason: String) {
        self.place = place
        self.reason = reason
    }

    public var description: String {
        switch place {
        case .line(let number): "line \(number): \(reason)"
        case .byte(let offset): "byte \(offset): \(reason)"
        case .body: reason
        }
    }
}
