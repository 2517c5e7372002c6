import Telemetry
import TestSupport
import Testing

/// Golden files of the columnar formats, as hexadecimal lines of 32 bytes.
enum ColumnGolden {
    /// Compares with the file, which `STAGEBOX_RECORD=1` rewrites.
    /// - Returns: the file's bytes.
    static func check(_ name: String, _ bytes: [UInt8], file: String = #filePath) throws -> [UInt8] {
        let path = (file.lastIndex(of: "/").map { String(file[..<$0]) } ?? ".") + "/Golden/\(name).hex"
        let lines = stride(from: 0, to: bytes.count, by: 32).map {
            Hexadecimal.encode(bytes[$0..<min($0 + 32, bytes.count)])
        }
        let text = lines.joined(separator: "\n") + "\n"
        if DataDirectories.isRecording { try Files.write(Array(text.utf8), to: path) }
        let kept = try Files.text(path)
        #expect(kept == text, "\(path)")
        return try #require(Hexadecimal.decode(kept.split(separator: "\n").joined()))
    }

    /// As ``check(_:_:file:)`` for bytes whose encoding may change while their reading must not.
    /// - Parameter isWritten: false when only old files have this form; then nothing rewrites the golden one.
    static func checkReading(
        _ name: String, _ bytes: [UInt8], isWritten: Bool = true, file: String = #filePath
    ) throws -> [UInt8] {
        let path = (file.lastIndex(of: "/").map { String(file[..<$0]) } ?? ".") + "/Golden/\(name).hex"
        if isWritten, DataDirectories.isRecording { _ = try check(name, bytes, file: file) }
        return try #require(Hexadecimal.decode(Files.text(path).split(separator: "\n").joined()))
    }
}
