import Glibc
import Synchronization
public import Testing

/// Runs each test of a suite on a thread of its own, for tests that block or compute for long: on the shared threads
/// of Swift's tasks (as many as there are cores) they would starve the servers that other tests run there.
public struct OwnThreadTrait: SuiteTrait, TestTrait, TestScoping {
    public var isRecursive: Bool { true }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        let thread = TaskThread()
        defer { thread.stop() }
        try await withTaskExecutorPreference(thread, operation: function)
    }
}

extension Trait where Self == OwnThreadTrait {
    /// See ``OwnThreadTrait``.
    public static var ownThread: Self { Self() }
}

/// A task executor of one thread, which ends after ``stop()`` once nothing is left to run.
private final class TaskThread: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isStopped = false
    }
    private let state = Mutex(State())
    private let signal: Signal

    init() {
        signal = Signal()
        var identifier = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 8 << 20)
        let argument = Unmanaged.passRetained(self).toOpaque()
        let result = pthread_create(
            &identifier, &attributes,
            { argument in
                if let argument { Unmanaged<TaskThread>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        pthread_attr_destroy(&attributes)
        precondition(result == 0, "no thread for a test")
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
        signal.raise()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        signal.raise()
    }

    private func run() {
        while true {
            let (jobs, isStopped) = state.withLock { state in
                defer { state.jobs = [] }
                return (state.jobs, state.isStopped)
            }
            for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
            if jobs.isEmpty {
                guard !isStopped else { return }
                signal.wait()
            }
        }
    }
}

/// A counting semaphore.
private final class Signal: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func raise() { sem_post(semaphore) }
    func wait() { sem_wait(semaphore) }
}
