/// Why a text is no rule: where, what was expected there and what stands there.
package struct RuleError: Error, Equatable, Sendable, CustomStringConvertible {
    /// In bytes from the start, from 1.
    package let position: Int
    package let expected: String
    /// At most 20 bytes of what stands there; empty at the end.
    package let found: String

    package var description: String {
        "position \(position): expected \(expected), " + (found.isEmpty ? "the rule ends there" : "found \"\(found)\"")
    }
}
