import Telemetry

/// A setting that cannot be used: where it stands, what it says and what to write instead.
package struct SettingsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file's path, `environment`, or the manifest's scope and version.
    package var source: String
    /// From 1; 0 where there are no lines.
    package var line: Int
    package var key: String
    package var value: String
    package var problem: String

    package init(source: String, line: Int, key: String, value: String = "", problem: String) {
        self.source = source
        self.line = line
        self.key = key
        self.value = value
        self.problem = problem
    }

    package var description: String {
        let place = line > 0 ? "\(source):\(line)" : source
        // An address may hold a secret: after the question mark, or before the host.
        let isAddress = value.holds("://") && value.contains { $0 == "?" || $0 == "@" }
        let shown = value.isEmpty ? "" : isAddress ? " the address" : " \"\(value.prefix(80))\""
        return "\(place): \(key.isEmpty ? "" : key.prefix(80) + ":")\(shown) \(problem)"
    }
}
