import Dispatch
import Glibc
import Synchronization

/// Threads that do jobs, first come first served. A job goes to the thread that went idle last: its stack, and the memory
/// that it has freed, are still in the caches. Thread-safe; threads end after ``close()``.
final class Workers: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State: Sendable {
        var idle: [Worker] = []
        var waiting: [Job] = []
        /// Of those waiting, how many were taken.
        var taken = 0
        var isClosed = false
    }
    private let waitingMax: Int
    private let state = Mutex(State())

    init(waitingMax: Int) { self.waitingMax = waitingMax }

    /// Starts one more thread.
    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Worker(self))
        let result = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Worker>.fromOpaque(context).takeRetainedValue().work() }
                return nil
            }, context.toOpaque())
        if result == 0 { pthread_detach(thread) } else { context.release() }
    }

    /// - Returns: false when too many wait, or after ``close()``; then the job is never done.
    func push(_ job: @escaping Job) -> Bool {
        let (worker, isAccepted) = state.withLock { state -> (Worker?, Bool) in
            guard !state.isClosed else { return (nil, false) }
            if let worker = state.idle.popLast() { return (worker, true) }
            guard state.waiting.count - state.taken < waitingMax else { return (nil, false) }
            state.waiting.append(job)
            return (nil, true)
        }
        worker?.hand(job)
        return isAccepted
    }

    /// Has the threads end once nothing waits.
    func close() {
        let idle = state.withLock { state in
            state.isClosed = true
            defer { state.idle.removeAll() }
            return state.idle
        }
        for worker in idle { worker.hand(nil) }
    }

    /// The job that has waited longest; without any the worker counts as idle.
    /// - Returns: nil also when there are to be none any more.
    private func next(for worker: Worker) -> (job: Job?, isLast: Bool) {
        state.withLock { state in
            if state.taken < state.waiting.count {
                let job = state.waiting[state.taken]
                state.taken += 1
                if state.taken == state.waiting.count {
                    state.waiting.removeAll(keepingCapacity: true)
                    state.taken = 0
                } else if state.taken >= waitingMax {
                    state.waiting.removeFirst(state.taken)
                    state.taken = 0
                }
                return (job, false)
            }
            if !state.isClosed { state.idle.append(worker) }
            return (nil, state.isClosed)
        }
    }

    private final class Worker: Sendable {
        private let workers: Workers
        private let handed = Mutex<Job?>(nil)
        private let semaphore = DispatchSemaphore(value: 0)

        init(_ workers: Workers) { self.workers = workers }

        /// - Parameter job: nil: the thread is to end.
        func hand(_ job: Job?) {
            handed.withLock { $0 = job }
            semaphore.signal()
        }

        func work() {
            while true {
                var (job, isLast) = workers.next(for: self)
                if job == nil, !isLast {
                    semaphore.wait()
                    job = handed.withLock { handed in
                        defer { handed = nil }
                        return handed
                    }
                    isLast = job == nil
                }
                guard !isLast else { return }
                job?()
            }
        }
    }
}
