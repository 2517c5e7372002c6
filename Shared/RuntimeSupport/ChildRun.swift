import Glibc

/// One run of a program to its end, at most for so long: standard input is given whole, what it writes is kept up to a
/// bound, and nothing of its process group is left afterwards.
public struct ChildRun: Sendable {
    public enum Ending: Sendable, Equatable {
        case exited(Int32)
        case killed(signal: Int32)
        /// It took too long and was killed.
        case late
        /// Killed since the caller wanted it.
        case cancelled
        /// Why it could not be started.
        case notStarted(String)
    }

    private static let tickMilliseconds: Int64 = 50
    /// What a pipe holds without anybody reading (pipe(7)); more is made room for.
    private static let pipeBytesUsual = 65_536
    /// fcntl(2), F_SETPIPE_SZ, which glibc shows under _GNU_SOURCE only.
    private static let setPipeSize: Int32 = 1031
    /// What Linux lets any user's pipe hold, if nothing else was set (pipe(7), pipe-max-size).
    public static let inputBytesMax = 1 << 20

    /// The program's path first.
    public var arguments: [String]
    /// `NAME=VALUE`.
    public var environment: [String]
    /// At most ``inputBytesMax``.
    public var input: [UInt8]
    /// Of what it writes so much is kept; the rest is read and thrown away.
    public var outputBytesMax: Int
    public var timeoutMilliseconds: Int64
    /// Where it begins; nil: where we are.
    public var directory: String?

    public init(
        _ arguments: [String], environment: [String], input: [UInt8] = [], outputBytesMax: Int = 4096,
        timeoutMilliseconds: Int64, directory: String? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.input = input
        self.outputBytesMax = outputBytesMax
        self.timeoutMilliseconds = timeoutMilliseconds
        self.directory = directory
    }

    /// Blocks until it has ended, at most the timeout and one tick (50 ms).
    /// - Returns: how, and what it wrote to standard output and error.
    public func run(
        time: any TimeSource, isCancelled: () -> Bool = { false }
    ) -> (ending: Ending, output: [UInt8]) {
        guard let input = Self.filledPipe(input) else { return (.notStarted("no pipe for its input"), []) }
        defer { close(input) }
        guard let output = Self.pipe() else { return (.notStarted("no pipe for its output"), []) }
        defer { close(output.reading) }
        let started = ChildProcess.spawn(
            arguments, environment: environment, input: input, output: output.writing, directory: directory,
            isAlone: true)
        close(output.writing)
        switch started {
        case .success(let child): return watch(child, output.reading, time, isCancelled)
        case .failure(let error): return (.notStarted("cannot be started: \(error)"), [])
        }
    }

    private func watch(
        _ child: Int32, _ output: Int32, _ time: any TimeSource, _ isCancelled: () -> Bool
    ) -> (ending: Ending, output: [UInt8]) {
        let deadline = Int64(time.monotonicNanoseconds / 1_000_000) + timeoutMilliseconds
        var said: [UInt8] = []
        var isOpen = true
        while true {
            var interest = pollfd(fd: isOpen ? output : -1, events: Int16(POLLIN), revents: 0)
            poll(&interest, 1, Int32(Self.tickMilliseconds))
            if interest.revents != 0 { isOpen = read(output, into: &said) }
            if Self.hasEnded(child) {
                // Whatever of its group is left has nobody to answer to.
                kill(-child, SIGKILL)
                let status = ChildProcess.reap(child)
                _ = read(output, into: &said)
                let signal = status & 0x7f
                return (signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal), said)
            }
            let isLate = Int64(time.monotonicNanoseconds / 1_000_000) >= deadline
            guard isLate || isCancelled() else { continue }
            kill(-child, SIGKILL)
            ChildProcess.reap(child)
            return (isLate ? .late : .cancelled, said)
        }
    }

    // MARK: Pipes

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
        guard bytes.count <= inputBytesMax, let ends = pipe() else { return nil }
        defer { close(ends.writing) }
        if bytes.count > pipeBytesUsual { _ = fcntl(ends.writing, setPipeSize, Int32(bytes.count)) }
        _ = fcntl(ends.writing, F_SETFL, O_NONBLOCK)
        guard write(ends.writing, bytes, bytes.count) == bytes.count else {
            close(ends.reading)
            return nil
        }
        return ends.reading
    }

    /// Takes what is there.
    /// - Returns: false when nothing more will come.
    private func read(_ descriptor: Int32, into said: inout [UInt8]) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { chunk in
            // So much in one turn; a program that never stops writing must not keep us here.
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
    private static func hasEnded(_ child: Int32) -> Bool {
        var facts = siginfo_t()
        guard waitid(P_PID, id_t(child), &facts, WEXITED | WNOHANG | WNOWAIT) == 0 else { return errno != EINTR }
        return facts.si_signo == SIGCHLD
    }
}
