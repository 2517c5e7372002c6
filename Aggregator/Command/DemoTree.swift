import Foundation
import RuntimeSupport

/// The demonstration's child processes. Stopped in data order: the agent first, so that what it holds arrives.
final class DemoTree {
    private var children: [(name: String, process: Process, log: String)] = []
    let folder: String

    init(folder: String) { self.folder = folder }

    /// The folder of this program, where its siblings lie too.
    static var programs: String {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/usr/bin/stagebox"
        return (path as NSString).deletingLastPathComponent
    }

    /// The pages: as installed, else in the source tree that this program was built in.
    static var webRoot: String {
        let installed = "/usr/share/stagebox/dashboard"
        if FileManager.default.fileExists(atPath: installed) { return installed }
        var folder = programs as NSString
        for _ in 0..<5 {
            let candidate = folder.appendingPathComponent("Aggregator/Dashboard")
            if FileManager.default.fileExists(atPath: candidate) { return candidate }
            folder = folder.deletingLastPathComponent as NSString
        }
        return "none"
    }

    private func make(_ program: String, _ arguments: [String], log: String) throws -> Process {
        let process = Process()
        // setpriv (util-linux) has the kernel end the child when this process dies, however it dies.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = ["--pdeathsig", "TERM", "--", "\(Self.programs)/\(program)"] + arguments
        process.standardInput = FileHandle.nullDevice
        if !FileManager.default.fileExists(atPath: log) {
            guard FileManager.default.createFile(atPath: log, contents: nil) else {
                throw CommandFailure("cannot write \(log)")
            }
        }
        guard let handle = FileHandle(forWritingAtPath: log) else { throw CommandFailure("cannot write \(log)") }
        handle.seekToEndOfFile()
        process.standardOutput = handle
        process.standardError = handle
        return process
    }

    func start(_ program: String, _ arguments: [String], log: String) throws {
        let process = try make(program, arguments, log: log)
        try process.run()
        children.append((program, process, log))
    }

    func runToEnd(_ program: String, _ arguments: [String], log: String) throws {
        let process = try make(program, arguments, log: log)
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandFailure("\(program) \(arguments.first ?? "") failed; its last words:\n\(tail(log))")
        }
    }

    /// Polls until `isReady`.
    func wait(_ what: String, seconds: Int64, _ stop: StopSignal, until isReady: () -> Bool) throws {
        let deadline = SystemTimeSource().monotonicNanoseconds + UInt64(seconds) * 1_000_000_000
        while !isReady() {
            try checkAlive()
            guard SystemTimeSource().monotonicNanoseconds < deadline else {
                throw CommandFailure("\(what) is not ready after \(seconds) s:\n\(tail(children.last?.log ?? ""))")
            }
            if stop.wait(milliseconds: 100) { return }
        }
    }

    func checkAlive() throws {
        for child in children where !child.process.isRunning {
            throw CommandFailure("\(child.name) ended by itself; its last words:\n\(tail(child.log))")
        }
    }

    func stopAll() {
        for child in children.reversed() where child.process.isRunning {
            child.process.terminate()
            let deadline = Date().addingTimeInterval(20)
            while child.process.isRunning, Date() < deadline { usleep(20_000) }
            if child.process.isRunning { kill(child.process.processIdentifier, SIGKILL) }
        }
        children = []
    }

    private func tail(_ path: String) -> String {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(12).joined(separator: "\n")
    }
}
