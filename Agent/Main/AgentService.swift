import AgentCore
import Control
import Glibc
import Synchronization

/// `stagebox-agent run`: signals, systemd's notifications and the log around the program.
enum AgentService {
    static func run(_ configuration: AgentConfiguration) throws {
        signal(SIGPIPE, SIG_IGN)
        ResidentMemory.limit()
        Log.leaveOut(below: configuration.settings.logLevel)
        let program = AgentProgram.make(configuration: configuration) { report in
            Log.write(report)
        }
        let (stop, reload) = (program.stop, program.reload)
        let signals = SignalThread(handling: [SIGTERM, SIGINT, SIGHUP]) { number in
            if number == SIGHUP { reload() } else { stop() }
        }
        signals.start()
        let watchdog = ServiceManager.watchdogMilliseconds
        var lastBeat: UInt64 = 0
        var trims = trimNanoseconds[...]
        var nextTrim = nanoseconds() + (trims.popFirst() ?? lastTrimNanoseconds)
        try program.run(
            onRunning: { port in
                Log.write("running", "intake port \(port)")
                ServiceManager.notify("READY=1")
            },
            heartbeat: {
                let now = nanoseconds()
                if now > nextTrim {
                    nextTrim = now + (trims.popFirst() ?? lastTrimNanoseconds)
                    ResidentMemory.dropUnusedCode()
                }
                guard watchdog > 0 else { return }
                if now - lastBeat > watchdog * 500_000 {
                    lastBeat = now
                    ServiceManager.notify("WATCHDOG=1")
                }
            })
        ServiceManager.notify("STOPPING=1")
        Log.write("stopped", "everything unsent waits in the buffer")
    }

    /// By then everything has been used once: collectors, seal, connection, an acknowledgement; at the second time
    /// the slowest collectors too; at the third detection has learnt. Each is counted from the one before.
    private static let trimNanoseconds: [UInt64] = [15_000_000_000, 120_000_000_000, 465_000_000_000]
    private static let lastTrimNanoseconds: UInt64 = 3_600_000_000_000

    private static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Waits for signals on a thread of its own, so that handlers may do anything.
struct SignalThread {
    private final class Body {
        let numbers: [Int32]
        let handle: @Sendable (Int32) -> Void
        init(_ numbers: [Int32], _ handle: @escaping @Sendable (Int32) -> Void) {
            self.numbers = numbers
            self.handle = handle
        }
    }
    private let body: Body

    /// Blocks the signals in the calling thread and all that it starts later: call it first.
    init(handling numbers: [Int32], _ handle: @escaping @Sendable (Int32) -> Void) {
        body = Body(numbers, handle)
        var set = sigset_t()
        sigemptyset(&set)
        numbers.forEach { sigaddset(&set, $0) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    func start() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                var set = sigset_t()
                sigemptyset(&set)
                body.numbers.forEach { sigaddset(&set, $0) }
                while true {
                    var number: Int32 = 0
                    if sigwait(&set, &number) == 0 { body.handle(number) }
                }
            }, Unmanaged.passRetained(body).toOpaque())
        pthread_detach(thread)
    }
}
