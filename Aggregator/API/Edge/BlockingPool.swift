import Glibc
import RuntimeSupport

/// Threads for work that blocks, so that reading files never holds up the event loops.
///
/// At the bound of waiting jobs ``run(_:)`` throws ``Problem/busy``: the client gets a 503 and may come again.
package final class BlockingPool: Sendable {
    package static let waitingMax = 256
    private typealias Job = @Sendable () -> Void
    private let jobs = BoundedQueue<Job>(itemsMax: waitingMax)

    /// - Parameter threads: 1 to 64; each costs a stack.
    package init(threads: Int = 4) {
        precondition((1...64).contains(threads), "\(threads) threads")
        for _ in 0..<threads {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(Worker(jobs))
            let result = pthread_create(
                &thread, nil,
                { context in
                    if let context { Unmanaged<Worker>.fromOpaque(context).takeRetainedValue().work() }
                    return nil
                }, context.toOpaque())
            // Without threads jobs are refused by `run` once the queue is full.
            if result == 0 { pthread_detach(thread) } else { context.release() }
        }
    }

    deinit { jobs.close() }

    private final class Worker: Sendable {
        private let jobs: BoundedQueue<Job>
        init(_ jobs: BoundedQueue<Job>) { self.jobs = jobs }
        func work() {
            while !jobs.isFinished {
                for job in jobs.pop(max: 1, waitMilliseconds: 60_000) { job() }
            }
        }
    }

    package func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let accepted = jobs.push { continuation.resume(with: Result { try body() }) }
            if !accepted { continuation.resume(throwing: Problem.busy) }
        }
    }
}

/// Something that is not thread-safe on its way from job to job.
///
/// `@unchecked Sendable`: the owner awaits each job before it starts the next, so there is one user at a time.
final class Passenger<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}
