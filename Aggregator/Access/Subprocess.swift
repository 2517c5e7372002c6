import Glibc
import RuntimeSupport

/// Child processes: started without a shell, arguments as given.
enum Subprocess {
    /// Output beyond this is thrown away.
    static let outputBytesMax = 64 * 1024
    /// Keys are made within a second, on a slow machine within some.
    static let runMilliseconds: Int64 = 60_000

    /// The first of the usual folders that holds an executable `name`.
    static func find(_ name: String) -> String? {
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"].map { "\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    /// Starts `arguments[0]`, standard input from /dev/null, standard output and error to `output`.
    static func spawn(_ arguments: [String], output: Int32) throws -> pid_t {
        switch ChildProcess.spawn(
            arguments, environment: ProcessEnvironment.forChildren, input: nil, output: output, isAlone: false)
        {
        case .success(let child): return child
        case .failure(let error): throw AccessError(.system, "cannot start \(arguments[0]): \(error)")
        }
    }

    /// Runs to the end, at most ``runMilliseconds``.
    /// - Throws: ``AccessError`` with the program's words when it fails.
    @discardableResult
    static func run(_ arguments: [String]) throws -> String {
        let child = ChildRun(
            arguments, environment: ProcessEnvironment.forChildren, outputBytesMax: outputBytesMax,
            timeoutMilliseconds: runMilliseconds)
        let (ending, output) = child.run(time: SystemTimeSource())
        let text = String(decoding: output, as: UTF8.self)
        let program = arguments.prefix(2).joined(separator: " ")
        switch ending {
        case .exited(0): return text
        case .notStarted(let reason): throw AccessError(.system, "\(program) \(reason)")
        case .late: throw AccessError(.system, "\(program) took longer than \(runMilliseconds / 1000) s")
        default: throw AccessError(.system, "\(program) failed: \(text.prefix(500))")
        }
    }
}
