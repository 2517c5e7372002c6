import Actions
import CSpawn
import Glibc
import RuntimeSupport

/// One run of a script: a process group of its own, no shell, nothing of the agent's environment or descriptors, the
/// finding on standard input, and an end at the timeout whatever it does.
struct ScriptRun {
    /// Of what it writes the first so many bytes are kept; the rest is read and thrown away.
    static let outputBytesMax = 4096
    private static let tickMilliseconds: Int64 = 50

    let path: String
    let arguments: [String]
    let environment: [String]
    /// At most ``FindingDocument/bytesMax``.
    let input: [UInt8]
    let timeoutMilliseconds: Int64

    /// Blocks until it has ended, at most the timeout and one tick.
    func run(time: any TimeSource, isCancelled: () -> Bool) -> (result: ActionOutcome.Result, detail: String) {
        guard let input = Self.filledPipe(self.input) else { return (.failed, "no pipe for its input") }
        defer { close(input) }
        guard let output = Self.pipe() else { return (.failed, "no pipe for its output") }
        defer { close(output.reading) }
        let child: pid_t
        switch spawn(input, output.writing) {
        case .success(let started): child = started
        case .failure(let error):
            close(output.writing)
            return (.failed, "cannot be started: \(String(cString: strerror(error.code)))")
        }
        close(output.writing)
        return watch(child, output.reading, time, isCancelled)
    }

    private func watch(
        _ child: pid_t, _ output: Int32, _ time: any TimeSource, _ isCancelled: () -> Bool
    ) -> (result: ActionOutcome.Result, detail: String) {
        let deadline = Int64(time.monotonicNanoseconds / 1_000_000) + timeoutMilliseconds
        var said: [UInt8] = []
        var isOpen = true
        while true {
            var interest = pollfd(fd: isOpen ? output : -1, events: Int16(POLLIN), revents: 0)
            poll(&interest, 1, Int32(Self.tickMilliseconds))
            if interest.revents != 0 { isOpen = Self.read(output, into: &said) }
            if Self.hasEnded(child) {
                // Whatever of its group is left has nobody to answer to.
                kill(-child, SIGKILL)
                let status = Self.reap(child)
                _ = Self.read(output, into: &said)
                let words = said.isEmpty ? "" : ": " + String(decoding: said, as: UTF8.self)
                if status & 0x7f != 0 { return (.failed, "ended by signal \(status & 0x7f)\(words)") }
                let code = status >> 8 & 0xff
                return (code == 0 ? .done : .failed, "exit status \(code)\(words)")
            }
            let isLate = Int64(time.monotonicNanoseconds / 1_000_000) >= deadline
            guard isLate || isCancelled() else { continue }
            kill(-child, SIGKILL)
            _ = Self.reap(child)
            return isLate ? (.timeout, "killed after \(timeoutMilliseconds) ms") : (.interrupted, "the agent stopped")
        }
    }

    private struct SpawnError: Error { let code: Int32 }

    private func spawn(_ input: Int32, _ output: Int32) -> Result<pid_t, SpawnError> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        // The libraries' descriptors, too, whether they close at exec or not.
        stagebox_spawn_close_from(&actions, 3)
        stagebox_spawn_change_directory(&actions, "/")
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // The agent ignores SIGPIPE; a child would inherit that.
        var usual = sigset_t()
        sigemptyset(&usual)
        sigaddset(&usual, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let argv = ([path] + arguments).map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        let variables = environment.map { strdup($0) } + [nil]
        defer { variables.forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, path, &actions, &attributes, argv, variables)
        return code == 0 ? .success(child) : .failure(SpawnError(code: code))
    }

    // MARK: Pipes and waiting

    private static func pipe() -> (reading: Int32, writing: Int32)? {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { return nil }
        // High numbers, so that none of them is what dup2 is to make: a service may have 0, 1 or 2 closed.
        let moved = ends.map { fcntl($0, F_DUPFD_CLOEXEC, 10) }
        ends.forEach { close($0) }
        guard moved.allSatisfy({ $0 >= 0 }) else {
            for end in moved where end >= 0 { close(end) }
            return nil
        }
        return (moved[0], moved[1])
    }

    /// The reading end of a pipe that holds everything already, so that nobody has to write while it is read.
    private static func filledPipe(_ bytes: [UInt8]) -> Int32? {
        guard let ends = pipe() else { return nil }
        defer { close(ends.writing) }
        _ = fcntl(ends.writing, F_SETFL, O_NONBLOCK)
        guard write(ends.writing, bytes, bytes.count) == bytes.count else {
            close(ends.reading)
            return nil
        }
        return ends.reading
    }

    /// Takes what is there.
    /// - Returns: false when nothing more will come.
    private static func read(_ descriptor: Int32, into said: inout [UInt8]) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { chunk in
            // So much in one turn; a script that never stops writing must not keep us here.
            for _ in 0..<16 {
                var interest = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&interest, 1, 0) == 1 else { return true }
                let count = Glibc.read(descriptor, chunk.baseAddress, chunk.count)
                guard count > 0 else { return count < 0 && errno == EINTR }
                said.append(contentsOf: chunk.prefix(min(count, outputBytesMax - said.count)))
            }
            return true
        }
    }

    /// Without reaping: until then nobody else can have its number, or its group's.
    private static func hasEnded(_ child: pid_t) -> Bool {
        var facts = siginfo_t()
        guard waitid(P_PID, id_t(child), &facts, WEXITED | WNOHANG | WNOWAIT) == 0 else { return errno != EINTR }
        return facts.si_signo == SIGCHLD
    }

    private static func reap(_ child: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
