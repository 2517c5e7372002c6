/// A pattern that is not a regular expression as we read it (RE2's syntax, without captures by name).
package struct PatternError: Error, Hashable, CustomStringConvertible {
    package let pattern: String
    /// In Unicode scalars from the start.
    package let position: Int
    package let expectation: String
    package var description: String {
        "invalid pattern \"\(pattern.prefix(200))\" at position \(position): \(expectation)"
    }
}
