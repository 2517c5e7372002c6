import CSpawn
import Glibc

/// Starts a program without a shell: arguments as given, and nothing of ours but what is said here.
public enum ChildProcess {
    public struct SpawnError: Error, CustomStringConvertible {
        /// As errno has it.
        public let code: Int32
        public var description: String { String(cString: strerror(code)) }
    }

    /// The child blocks no signals and takes SIGPIPE as usual, whatever this thread does.
    /// - Parameters:
    ///   - arguments: the program's path first; it is not searched for.
    ///   - environment: `NAME=VALUE`.
    ///   - input: nil is /dev/null.
    ///   - output: of standard output and error.
    ///   - directory: where it begins; nil: where we are.
    ///   - isAlone: in a process group of its own, and with no descriptor but these three, also of those that do not
    ///     close at exec.
    public static func spawn(
        _ arguments: [String], environment: [String], input: Int32?, output: Int32, directory: String? = nil,
        isAlone: Bool
    ) -> Result<Int32, SpawnError> {
        guard let program = arguments.first else { return .failure(SpawnError(code: EINVAL)) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        if isAlone { stagebox_spawn_close_from(&actions, 3) }
        if let directory { stagebox_spawn_change_directory(&actions, directory) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        setSignals(&attributes, isAlone)
        let argv = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        let variables = environment.map { strdup($0) } + [nil]
        defer { variables.forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, program, &actions, &attributes, argv, variables)
        return code == 0 ? .success(child) : .failure(SpawnError(code: code))
    }

    private static func setSignals(_ attributes: inout posix_spawnattr_t, _ isAlone: Bool) {
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var usual = sigset_t()
        sigemptyset(&usual)
        sigaddset(&usual, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        if isAlone {
            posix_spawnattr_setpgroup(&attributes, 0)
            flags |= POSIX_SPAWN_SETPGROUP
        }
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    /// Waits for its end.
    /// - Returns: its status as wait(2) has it.
    @discardableResult
    public static func reap(_ child: Int32) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
