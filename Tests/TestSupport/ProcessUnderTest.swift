public import Glibc
import Synchronization

/// A child process that a test starts, signals and reaps; killed when released.
///
/// `Sendable`: the path and identifier never change, the exit is guarded by a mutex.
public final class ProcessUnderTest: Sendable {
    /// How the child ended.
    public enum Exit: Sendable, Equatable {
        case code(Int32)
        case signal(Int32)
    }

    public let identifier: pid_t
    private let ended = Mutex<Exit?>(nil)

    /// Starts `arguments[0]` (a path; PATH is not searched).
    /// - Parameters:
    ///   - environment: added to the test's own environment, the later name wins.
    ///   - output: a file that gets standard output and error; nil: /dev/null.
    ///   - directory: the child's working directory; nil: the test's own.
    public init(
        _ arguments: [String], environment: [String: String] = [:], output: String? = nil, directory: String? = nil
    ) throws {
        precondition(!arguments.isEmpty, "a process needs a path")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 1, output ?? "/dev/null", flags, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // glibc's addchdir_np is hidden behind _GNU_SOURCE; env changes the directory and then becomes the program.
        let arguments = directory.map { ["/usr/bin/env", "--chdir=\($0)"] + arguments } ?? arguments

        var variables: [String: String] = environment
        var cursor = environ
        while let entry = cursor.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                let name = String(text[..<equals])
                if variables[name] == nil { variables[name] = String(text[text.index(after: equals)...]) }
            }
            cursor += 1
        }
        let argv = arguments.map { strdup($0) } + [nil]
        let envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            argv.forEach { free($0) }
            envp.forEach { free($0) }
        }
        var child: pid_t = 0
        let result = posix_spawn(&child, arguments[0], &actions, nil, argv, envp)
        guard result == 0 else { throw SystemError("spawn \(arguments[0])", code: result) }
        identifier = child
    }

    deinit {
        guard exitIfEnded() == nil else { return }
        kill(identifier, SIGKILL)
        _ = wait()
    }

    /// Sends a signal; nothing happens when the child has ended.
    public func send(_ signal: Int32) {
        ended.withLock { if $0 == nil { kill(identifier, signal) } }
    }

    /// SIGKILL and reap.
    @discardableResult
    public func killNow() -> Exit {
        send(SIGKILL)
        return wait()
    }

    /// SIGTERM, then wait up to `seconds`, then SIGKILL.
    @discardableResult
    public func terminate(withinSeconds seconds: Double = 10) -> Exit {
        send(SIGTERM)
        return wait(upToSeconds: seconds) ?? killNow()
    }

    /// Waits for the end and reaps.
    @discardableResult
    public func wait() -> Exit { ended.withLock { reap(&$0, 0) } ?? .code(-1) }

    /// - Returns: nil when the child still runs after `seconds`.
    public func wait(upToSeconds seconds: Double) -> Exit? {
        Waiting.until(withinSeconds: seconds) { exitIfEnded() != nil } ? exitIfEnded() : nil
    }

    /// The exit if the child has ended; does not wait.
    public func exitIfEnded() -> Exit? { ended.withLock { reap(&$0, WNOHANG) } }
    public var isRunning: Bool { exitIfEnded() == nil }

    private func reap(_ ended: inout Exit?, _ options: Int32) -> Exit? {
        if let ended { return ended }
        var status: Int32 = 0
        var result = waitpid(identifier, &status, options)
        while result < 0, errno == EINTR { result = waitpid(identifier, &status, options) }
        if result == identifier {
            let signal = status & 0x7f
            ended = signal == 0 ? .code(status >> 8 & 0xff) : .signal(signal)
        } else if result < 0 {
            ended = .code(-1)
        }
        return ended
    }
}

/// Waiting for another process, for smoke tests only: unit tests advance a `ManualTimeSource`.
public enum Waiting {
    /// Polls `condition` every 5 ms until it holds.
    /// - Returns: whether it held within `seconds`.
    public static func until(withinSeconds seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
        var start = timespec()
        clock_gettime(CLOCK_MONOTONIC, &start)
        while true {
            if try condition() { return true }
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            let elapsed = Double(now.tv_sec - start.tv_sec) + Double(now.tv_nsec - start.tv_nsec) / 1e9
            guard elapsed < seconds else { return false }
            usleep(5000)
        }
    }
}
