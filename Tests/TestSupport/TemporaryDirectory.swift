import Glibc

/// A directory of one test's own, `/tmp/stagebox-test-…`, removed with all it holds when released.
///
/// Keep it alive as long as its files are in use: `let directory = try TemporaryDirectory()` and
/// `withExtendedLifetime(directory) { … }`, or call ``remove()`` in a `defer`.
public final class TemporaryDirectory: Sendable {
    /// Absolute, without a trailing slash.
    public let path: String

    /// - Throws: ``SystemError`` when the directory cannot be made.
    public init(_ label: String = "") throws {
        var template = Array("/tmp/stagebox-test-\(label)\(label.isEmpty ? "" : "-")XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { remove() }

    /// The path of `name` within the directory; nothing is created.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file, and the folders that lead to it.
    @discardableResult
    public func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw SystemError("mkdir \(folder)") }
        }
        try Files.write(Array(bytes), to: file(name))
        return file(name)
    }

    @discardableResult
    public func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }

    /// Removes the directory and everything in it; symbolic links are removed, not followed.
    /// Calling it again does nothing. Best effort: what stays in /tmp harms no other test.
    public func remove() { Self.removeTree(path) }

    private static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR, let directory = opendir(path) {
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            closedir(directory)
            names.forEach { removeTree("\(path)/\($0)") }
        }
        _ = Glibc.remove(path)
    }
}
