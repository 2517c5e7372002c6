import Glibc
import Sources

/// The files that name targets: read when they changed. One that cannot be used keeps what it said before, one that is
/// gone says nothing any more.
struct TargetFiles {
    /// That match all patterns together.
    static let filesMax = 100

    private struct Entry {
        var bytes: [UInt8]
        var groups: [TargetGroup]
    }
    private let patterns: [String]
    private var entries: [String: Entry] = [:]

    init(patterns: [String]) { self.patterns = patterns }

    /// In the order of the files' names.
    var groups: [TargetGroup] { entries.sorted { $0.key < $1.key }.flatMap(\.value.groups) }

    /// - Returns: what is wrong.
    mutating func refresh() -> [String] {
        var problems: [String] = []
        let paths = matches()
        if paths.count > Self.filesMax { problems.append("more than \(Self.filesMax) files of targets") }
        var kept: [String: Entry] = [:]
        for path in paths.prefix(Self.filesMax) {
            guard let bytes = Self.read(path) else {
                problems.append("\(path): cannot be read")
                kept[path] = entries[path]
                continue
            }
            if let known = entries[path], known.bytes == bytes {
                kept[path] = known
                continue
            }
            do throws(TargetFileError) {
                kept[path] = Entry(bytes: bytes, groups: try Self.parse(bytes, path))
            } catch {
                problems.append("\(path): \(error)")
                kept[path] = entries[path]
            }
        }
        entries = kept
        return problems
    }

    private static func parse(_ bytes: [UInt8], _ path: String) throws(TargetFileError) -> [TargetGroup] {
        if TargetFile.isYAML(path) { return try TargetFile.parse(yaml: bytes) }
        var result: Result<[TargetGroup], TargetFileError>?
        bytes.withUnsafeBytes { bytes in
            result = Result { () throws(TargetFileError) in try TargetFile.parse(bytes) }
        }
        return try result?.get() ?? []
    }

    private func matches() -> [String] {
        var paths: Set<String> = []
        for pattern in patterns {
            var found = glob_t()
            defer { globfree(&found) }
            guard glob(pattern, 0, nil, &found) == 0 else { continue }
            for index in 0..<Int(found.gl_pathc) {
                if let path = found.gl_pathv[index] { paths.insert(String(cString: path)) }
            }
        }
        return paths.sorted()
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        var count = 0
        while count <= TargetFile.bytesMax {
            let read = bytes.withUnsafeMutableBytes {
                fread($0.baseAddress?.advanced(by: count), 1, $0.count - count, file)
            }
            count += read
            if read == 0 { break }
            if count == bytes.count { bytes.append(contentsOf: repeatElement(0, count: bytes.count)) }
        }
        return ferror(file) == 0 ? Array(bytes[..<count]) : nil
    }
}
