import Glibc

/// Listings of sysfs, cgroupfs and procfs directories.
enum Directory {
    /// More entries than any of them has on a sane machine; the rest is ignored.
    static let entriesMax = 65_536

    /// The names in a directory, sorted, without `.` and `..`; nil when it cannot be opened.
    static func names(_ path: String, where isWanted: (Bytes) -> Bool = { _ in true }) -> [String]? {
        var names: [String] = []
        guard forEach(path, { if isWanted($0) { names.append($0.text) } }) else { return nil }
        return names.sorted()
    }

    /// Calls `body` with each name; nothing is allocated here but the directory stream.
    /// - Returns: false when the directory cannot be opened.
    static func forEach(_ path: String, _ body: (Bytes) -> Void) -> Bool {
        guard let directory = opendir(path) else { return false }
        defer { closedir(directory) }
        var count = 0
        while count < entriesMax, let entry = readdir(directory) {
            count += 1
            withUnsafeBytes(of: &entry.pointee.d_name) { field in
                let length = field.firstIndex(of: 0) ?? field.count
                let name = Bytes(rebasing: field[..<length])
                if !name.equals("."), !name.equals("..") { body(name) }
            }
        }
        return true
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Where a symbolic link leads in the end; nil when it leads nowhere.
    static func resolved(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}

extension ReadBuffer {
    /// The trimmed text of a small file; nil when it cannot be read.
    func text(path: String) -> String? { fill(path: path)?.trimmed.text }

    /// The number in a small file, decimal or `0x…`; nil when it cannot be read or holds none.
    func number(path: String) -> Double? { fill(path: path)?.number }
}

extension UnsafeRawBufferPointer {
    /// The whole text as one number, decimal (with a fraction) or `0x…`.
    var number: Double? {
        var cursor = ByteCursor(trimmed)
        let value = starts(with: "0x") ? cursor.hexadecimal().map { Double($0) } : cursor.decimal()
        return cursor.isAtEnd ? value : nil
    }
}
