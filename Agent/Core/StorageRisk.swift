import Glibc

/// Mount options under which a power cut can damage files that were written and synchronised as they should be.
///
/// The buffer's rows carry checksums, so such damage costs rows and never makes wrong ones; but whoever runs the node
/// should know. Source: ext4(5), xfs(5); https://www.sqlite.org/howtocorrupt.html.
package enum StorageRisk {
    /// 64 KiB of mount table are read; a table beyond it is judged by its beginning.
    static let tableBytesMax = 64 * 1024

    private static let options = [
        "data=writeback": "old blocks can show up in new files after a power cut",
        "nobarrier": "the disk may reorder what was synchronised",
        "barrier=0": "the disk may reorder what was synchronised",
        "barrier=none": "the disk may reorder what was synchronised",
    ]
    private static let types = [
        "tmpfs": "nothing survives a power cut", "ramfs": "nothing survives a power cut",
        "nfs": "locks and synchronisation depend on the server",
        "nfs4": "locks and synchronisation depend on the server",
        "cifs": "locks and synchronisation depend on the server", "9p": "locks and synchronisation depend on the host",
    ]

    /// What threatens a directory's files, as one sentence; nil: nothing known, or the table cannot be read.
    package static func find(directory: String, procRoot: String = "/proc") -> String? {
        guard let resolved = realpath(directory, nil) else { return nil }
        defer { free(resolved) }
        guard let file = fopen("\(procRoot)/self/mountinfo", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: tableBytesMax)
        let count = fread(&bytes, 1, bytes.count, file)
        return find(path: String(cString: resolved), mountTable: String(decoding: bytes[..<count], as: UTF8.self))
    }

    /// - Parameters:
    ///   - path: absolute, without links.
    ///   - mountTable: lines of /proc/self/mountinfo (proc(5)); of several at one place the last counts.
    package static func find(path: String, mountTable: String) -> String? {
        var best: (place: String, type: Substring, options: [Substring])?
        for line in mountTable.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, let dash = fields.dropFirst(6).firstIndex(of: "-"), dash + 3 < fields.count else {
                continue
            }
            let place = unescaped(fields[4])
            guard path == place || place == "/" || path.hasPrefix(place + "/"),
                place.utf8.count >= best?.place.utf8.count ?? 0
            else { continue }
            best = (
                place, fields[dash + 1], fields[5].split(separator: ",") + fields[dash + 3].split(separator: ",")
            )
        }
        guard let best else { return nil }
        if let risk = types[String(best.type)] { return "\(best.place) is \(best.type): \(risk)" }
        for option in best.options {
            if let risk = options[String(option)] { return "\(best.place) is mounted with \(option): \(risk)" }
        }
        return nil
    }

    /// Spaces, tabs, line ends and backslashes stand there as a backslash and three octal digits.
    private static func unescaped(_ text: Substring) -> String {
        guard text.utf8.contains(UInt8(ascii: "\\")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (48...55).contains($0) }) {
                bytes.append(UInt8(truncatingIfNeeded: digits.reduce(0) { $0 * 8 + Int($1) - 48 }))
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
