import Glibc
import RuntimeSupport
import Sealing
import Synchronization

/// A mosquitto child process: started, restarted with back-off when it ends, told to read its files, stopped.
///
/// It dies with this process: `setpriv --pdeathsig KILL` arranges that where it exists (the signal follows the
/// thread that starts the child, which lives as long as the child may), and a pid file finds what is left of an
/// earlier run. Thread-safe; the supervising thread is its own.
package final class BrokerChild: Sendable {
    package enum Event: Sendable, Equatable {
        case started(pid: Int32)
        /// The child ended by itself; it is started again after the delay.
        case ended(status: Int32, restartMilliseconds: Int64)
        /// It could not be started at all.
        case failed(String)
    }
    private enum Command { case reload, stop }

    private let configurationPath: String
    private let pidPath: String
    private let logPath: String
    private let commands = BoundedQueue<Command>(itemsMax: 64)
    private let pid = Mutex<Int32>(0)
    private let thread = Mutex<pthread_t?>(nil)
    private let onEvent: @Sendable (Event) -> Void

    /// - Parameters:
    ///   - directory: where the pid file and the broker's log go.
    ///   - onEvent: called on the supervising thread.
    package init(configurationPath: String, directory: String, onEvent: @escaping @Sendable (Event) -> Void) {
        self.configurationPath = configurationPath
        pidPath = "\(directory)/mosquitto.pid"
        logPath = "\(directory)/mosquitto.log"
        self.onEvent = onEvent
    }

    /// The child's process id; 0 while none runs.
    package var processIdentifier: Int32 { pid.withLock { $0 } }

    /// Starts supervising. Call it once.
    package func start() throws {
        guard Subprocess.find("mosquitto") != nil else {
            throw AccessError(.system, "mosquitto is not installed (apt-get install mosquitto)")
        }
        Self.endLeftover(pidPath: pidPath, configurationPath: configurationPath)
        let started = thread.withLock { thread -> Bool in
            precondition(thread == nil, "the broker is supervised already")
            var created = pthread_t()
            let context = Unmanaged.passRetained(self)
            let result = pthread_create(
                &created, nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<BrokerChild>.fromOpaque(context).takeRetainedValue().supervise()
                    return nil
                }, context.toOpaque())
            if result == 0 { thread = created } else { context.release() }
            return result == 0
        }
        guard started else { throw AccessError(.system, "cannot start the broker's supervising thread") }
    }

    /// SIGHUP: the broker reads its password and ACL files again.
    package func reload() { _ = commands.push(.reload) }

    /// SIGTERM, so that the broker saves its sessions; SIGKILL after five seconds. Returns when it has ended.
    package func stop() {
        _ = commands.push(.stop)
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let running { pthread_join(running, nil) }
    }

    // MARK: The supervising thread

    private func supervise() {
        var backoff = Backoff(baseMilliseconds: 200, capMilliseconds: 10_000)
        var generator = SecureGenerator()
        while true {
            guard let child = launch() else {
                if wait(milliseconds: backoff.nextDelayMilliseconds(using: &generator)) { return }
                continue
            }
            var quietPolls = 0
            while true {
                for command in commands.pop(max: 16, waitMilliseconds: 100) {
                    switch command {
                    case .reload: kill(child, SIGHUP)
                    case .stop: return end(child)
                    }
                }
                var status: Int32 = 0
                if waitpid(child, &status, WNOHANG) == child {
                    ended()
                    let delay = backoff.nextDelayMilliseconds(using: &generator)
                    onEvent(.ended(status: status, restartMilliseconds: delay))
                    if wait(milliseconds: delay) { return }
                    break
                }
                quietPolls += 1
                // It has run for a while: the next failure is a new one.
                if quietPolls == 300 { backoff.reset() }
            }
        }
    }

    private func launch() -> Int32? {
        guard let program = Subprocess.find("mosquitto") else {
            onEvent(.failed("mosquitto is not installed (apt-get install mosquitto)"))
            return nil
        }
        let log = open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else {
            onEvent(.failed("cannot write \(logPath): \(String(cString: strerror(errno)))"))
            return nil
        }
        defer { close(log) }
        // One run's log is enough; it must not grow for ever.
        var status = stat()
        if fstat(log, &status) == 0, status.st_size > 4 << 20 { ftruncate(log, 0) }
        let prefix = Subprocess.find("setpriv").map { [$0, "--pdeathsig", "KILL", "--"] } ?? []
        do {
            let child = try Subprocess.spawn(prefix + [program, "-c", configurationPath], output: log)
            pid.withLock { $0 = child }
            // Only to find a leftover after a crash; without it the next start meets a busy port and says so.
            try? SecretFile.write(Array("\(child)\n".utf8), to: pidPath)
            onEvent(.started(pid: child))
            return child
        } catch {
            onEvent(.failed("\(error)"))
            return nil
        }
    }

    /// - Returns: whether it was told to stop meanwhile. A reload is needless: the next start reads the files.
    private func wait(milliseconds: Int64) -> Bool {
        var rest = milliseconds
        while rest > 0 {
            if commands.pop(max: 64, waitMilliseconds: min(rest, 100)).contains(.stop) { return true }
            rest -= 100
        }
        return false
    }

    private func end(_ child: Int32) {
        kill(child, SIGTERM)
        var status: Int32 = 0
        for _ in 0..<100 {
            if waitpid(child, &status, WNOHANG) != 0 { return ended() }
            usleep(50_000)
        }
        kill(child, SIGKILL)
        ChildProcess.reap(child)
        ended()
    }

    private func ended() {
        pid.withLock { $0 = 0 }
        unlink(pidPath)
    }

    /// Ends a broker of an earlier run: only a process whose command line names our configuration file.
    private static func endLeftover(pidPath: String, configurationPath: String) {
        guard let text = Directories.text(pidPath), let pid = Int32(text.split(separator: "\n").first ?? ""), pid > 1,
            let commandLine = Directories.text("/proc/\(pid)/cmdline"),
            commandLine.split(separator: "\0").contains(Substring(configurationPath))
        else { return }
        kill(pid, SIGTERM)
        for _ in 0..<100 where kill(pid, 0) == 0 { usleep(20_000) }
        if kill(pid, 0) == 0 { kill(pid, SIGKILL) }
    }
}
