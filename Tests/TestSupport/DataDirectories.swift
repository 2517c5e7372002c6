import Glibc

/// Where data that is not part of the repository lies; nil when the environment does not say.
/// Tests that need it are `.enabled(if: DataDirectories.data != nil)`, so that a skip is visible.
public enum DataDirectories {
    /// `STAGEBOX_DATA_DIR`: recorded metrics and other samples.
    public static var data: String? { environment("STAGEBOX_DATA_DIR") }
    /// `STAGEBOX_CONFORMANCE_DIR`: conformance suites of others.
    public static var conformance: String? { environment("STAGEBOX_CONFORMANCE_DIR") }
    /// `STAGEBOX_RECORD=1`: golden files are rewritten instead of compared.
    public static var isRecording: Bool { environment("STAGEBOX_RECORD") == "1" }

    /// - Returns: nil when the variable is unset or empty.
    public static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
