import AgentCore
import Glibc
import Telemetry

/// `stagebox-agent record` and `stagebox-agent replay`: detection on what was measured before.
enum ReplayCommand {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Makes a recording of an export's JSON lines.
    static func record(_ export: String, _ output: String) throws {
        guard let file = fopen(export, "r") else { throw unreadable(export) }
        var line: UnsafeMutablePointer<CChar>?
        defer {
            fclose(file)
            free(line)
        }
        var capacity = 0
        var writer = RecordingWriter()
        while case let count = getline(&line, &capacity, file), count > 0 {
            do { try writer.add(line: UnsafeRawBufferPointer(start: line, count: count)) } catch {
                throw Failure(description: "\(export), \(error)")
            }
        }
        guard writer.sampleCount > 0 else { throw Failure(description: "\(export) has no samples of watched series") }
        let bytes = try writer.recording().bytes
        guard let target = fopen(output, "w") else { throw Failure(description: "\(output) cannot be written") }
        let isWritten = fwrite(bytes, 1, bytes.count, target) == bytes.count
        guard fclose(target) == 0, isWritten else { throw Failure(description: "\(output) cannot be written") }
        print("\(writer.seriesCount) series, \(writer.sampleCount) samples, \(bytes.count) bytes")
    }

    /// Judges a recording, and prints what was found.
    /// - Parameter faults: a file of what was put into it.
    /// - Returns: 1 when a fault was not found.
    static func replay(_ path: String, faults: String?) throws -> Int32 {
        let table = try faults.map { path in
            do { return try FaultTable(text: String(decoding: try bytes(of: path), as: UTF8.self)) } catch {
                throw Failure(description: "\(path), \(error)")
            }
        }
        let recording: DetectionRecording
        do { recording = try DetectionRecording(bytes: try bytes(of: path)) } catch {
            throw Failure(description: "\(path) is no recording: \(error)")
        }
        var replay = DetectionReplay(recording)
        var opened: [Finding] = []
        try replay.run { finding, _ in
            if table == nil { FindingText.lines(finding).forEach { print($0) } }
            if finding.until == nil { opened.append(finding) }
        }
        guard let table else { return 0 }
        table.lines(opened, metrics: replay.detection.watchedCount, span: replay.span).forEach { print($0) }
        return table.judge(opened).rows.allSatisfy { $0.delayMilliseconds != nil } ? 0 : 1
    }

    private static func unreadable(_ path: String) -> Failure {
        Failure(description: "\(path) cannot be read: \(String(cString: strerror(errno)))")
    }

    /// - Throws: ``Failure`` also for more than a recording holds.
    private static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw unreadable(path) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
            bytes += chunk[..<count]
            guard bytes.count <= DetectionRecording.bytesMax else {
                throw Failure(description: "\(path) holds more than \(DetectionRecording.bytesMax >> 20) MiB")
            }
        }
        return bytes
    }
}
