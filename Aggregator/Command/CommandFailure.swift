/// A command that could not do what it was asked: what went wrong, and what to do about it. It ends with status 1 and
/// without the usage, which only a mistyped command line is answered with (`ValidationError`, status 64).
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
