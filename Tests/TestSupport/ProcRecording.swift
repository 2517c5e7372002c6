import Glibc

/// A recording of kernel metrics, `proc-1s/proc-1s.txt.xz`: one value per series and second.
public struct ProcRecording: Sendable {
    public var names: [String] = []
    public var isCounter: [Bool] = []
    /// Milliseconds.
    public var timestamps: [Int64] = []
    /// By series, then by timestamp.
    public var values: [[Double]] = []

    /// Reads the recording with the `xz` program, about 3 MB of text.
    /// - Throws: ``SystemError`` when there is no such file or no `xz`.
    public init(dataDirectory: String) throws {
        let path = "\(dataDirectory)/proc-1s/proc-1s.txt.xz"
        guard Files.exists(path) else { throw SystemError("open \(path)", code: ENOENT) }
        guard let pipe = popen("xz -dc '\(path)'", "r") else { throw SystemError("popen xz") }
        var text: [CChar] = []
        var chunk = [CChar](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, pipe)
            if count == 0 { break }
            text.append(contentsOf: chunk[..<count])
        }
        guard pclose(pipe) == 0 else { throw SystemError("xz") }
        text.append(0)
        text.withUnsafeBufferPointer { parse($0) }
    }

    private mutating func parse(_ text: UnsafeBufferPointer<CChar>) {
        guard let base = text.baseAddress else { return }
        let stop = base + text.count - 1
        var line = base
        while line.pointee != 0 {
            var end = line
            while end.pointee != 0, end.pointee != 10 { end += 1 }
            if line.pointee == CChar(UInt8(ascii: "S")) {
                let bytes = UnsafeRawBufferPointer(start: line, count: end - line)
                let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
                names.append("\(fields[2])_\(fields[3]){\(fields[4])}")
                isCounter.append(fields.last == "c")
                values.append([])
            } else if line.pointee == CChar(UInt8(ascii: "T")) {
                var cursor: UnsafeMutablePointer<CChar>? = UnsafeMutablePointer(mutating: line + 1)
                timestamps.append(
                    Int64(strtoll(UnsafePointer(cursor ?? UnsafeMutablePointer(mutating: stop)), &cursor, 10)))
                for series in values.indices {
                    values[series].append(
                        strtod(UnsafePointer(cursor ?? UnsafeMutablePointer(mutating: stop)), &cursor))
                }
            }
            line = end.pointee == 0 ? end : end + 1
        }
    }

    /// The values of all series at some ticks, series-major as in a metric batch.
    public func matrix(_ ticks: Range<Int>) -> [Double] { values.flatMap { $0[ticks] } }
}
