import Glibc

/// Writes to standard error without the C library's unsynchronised streams.
enum Output {
    static func error(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(2, bytes, bytes.count)
    }
}
