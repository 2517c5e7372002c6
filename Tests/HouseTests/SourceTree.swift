import Glibc

/// The project's own sources, found from this file.
struct SourceTree {
    struct File {
        /// Relative to the project's root.
        let path: String
        let text: String
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
        /// Modules named in import lines.
        var imports: [String] {
            lines.compactMap { line in
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index <= 2, !line.hasPrefix(" "),
                    !line.hasPrefix("//"),
                    index + 1 < words.count
                else { return nil }
                return words[index + 1].split(separator: ".").first.map(String.init)
            }
        }
    }

    static let root: String = {
        var parts = #filePath.split(separator: "/")
        parts.removeLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    /// Every Swift file below the folders.
    static func files(_ folders: String...) -> [File] {
        folders.flatMap { names(below: $0) }.filter { $0.hasSuffix(".swift") }.sorted().map {
            File(path: $0, text: read($0))
        }
    }

    /// The modules of C libraries that Package.swift declares.
    static let systemModules: [String] = read("Package.swift").split(separator: ".systemLibrary(name: \"").dropFirst()
        .map { String($0.prefix { $0 != "\"" }) }

    static func read(_ path: String) -> String {
        guard let file = fopen("\(root)/\(path)", "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func names(below folder: String) -> [String] {
        guard let directory = opendir("\(root)/\(folder)") else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            let path = "\(folder)/\(name)"
            if entry.pointee.d_type == UInt8(DT_DIR) { found += names(below: path) } else { found.append(path) }
        }
        return found
    }
}
