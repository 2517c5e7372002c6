import Glibc

/// A file that cannot be read or written.
struct SmallFileError: Error, CustomStringConvertible {
    let path: String
    let code: Int32
    var description: String { "\(path): \(String(cString: strerror(code)))" }
}

extension String {
    /// At most 4 KiB of text, white space around it cut.
    init(readingFile path: String) throws(SmallFileError) {
        guard let file = fopen(path, "r") else { throw SmallFileError(path: path, code: errno) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        self = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    }

    func write(toFile path: String) throws(SmallFileError) {
        guard let file = fopen(path, "w") else { throw SmallFileError(path: path, code: errno) }
        let text = Array(utf8)
        let written = fwrite(text, 1, text.count, file)
        guard fclose(file) == 0, written == text.count else { throw SmallFileError(path: path, code: errno) }
    }
}
