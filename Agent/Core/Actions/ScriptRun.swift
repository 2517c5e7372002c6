import Actions
import RuntimeSupport

/// One run of a script: no shell, nothing of the agent's environment or descriptors, the finding on standard input, and
/// an end at the timeout whatever it does.
struct ScriptRun {
    let path: String
    let arguments: [String]
    let environment: [String]
    /// At most ``FindingDocument/bytesMax``.
    let input: [UInt8]
    let timeoutMilliseconds: Int64

    /// Blocks until it has ended, at most the timeout and one tick.
    func run(time: any TimeSource, isCancelled: () -> Bool) -> (result: ActionOutcome.Result, detail: String) {
        let child = ChildRun(
            [path] + arguments, environment: environment, input: input, timeoutMilliseconds: timeoutMilliseconds,
            directory: "/")
        let (ending, said) = child.run(time: time, isCancelled: isCancelled)
        let words = said.isEmpty ? "" : ": " + String(decoding: said, as: UTF8.self)
        return switch ending {
        case .exited(let code): (code == 0 ? .done : .failed, "exit status \(code)\(words)")
        case .killed(let signal): (.failed, "ended by signal \(signal)\(words)")
        case .late: (.timeout, "killed after \(timeoutMilliseconds) ms")
        case .cancelled: (.interrupted, "the agent stopped")
        case .notStarted(let reason): (.failed, reason)
        }
    }
}
