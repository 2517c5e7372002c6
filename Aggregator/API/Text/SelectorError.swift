import PromQL
import Telemetry

/// Why a `match[]` is no series selector: with the place, `line:column`.
struct SelectorError: Error, CustomStringConvertible {
    let description: String

    static func parsing(_ text: String) throws(SelectorError) -> [LabelMatcher] {
        do { return try Parser.parseSelector(text) } catch { throw SelectorError(description: error.description) }
    }
}
