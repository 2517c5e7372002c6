import Synchronization
package import Telemetry

/// Threads for work that blocks, so that reading files never holds up the event loops.
///
/// At the bound of waiting jobs ``run(_:)`` throws ``Problem/busy``: the client gets a 503 and may come again. Jobs of one
/// tenant (``run(for:_:)``) take at most half of the threads; its further ones wait without being in anybody's way.
package final class BlockingPool: Sendable {
    package static let waitingMax = 256
    private typealias Job = @Sendable () -> Void
    private let workers = Workers(waitingMax: waitingMax)
    private struct Share {
        var running = 0
        var waiting: [Job] = []
    }
    private let shares = Mutex<[TenantID: Share]>([:])
    private let shareMax: Int

    /// - Parameter threads: 1 to 64; each costs a stack.
    package init(threads: Int = 4) {
        precondition((1...64).contains(threads), "\(threads) threads")
        shareMax = max(1, threads / 2)
        // Without threads jobs are refused by `run` once the queue is full.
        for _ in 0..<threads { workers.start() }
    }

    deinit { workers.close() }

    package func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let accepted = workers.push { continuation.resume(with: Result { try body() }) }
            if !accepted { continuation.resume(throwing: Problem.busy) }
        }
    }

    /// A job of one tenant's.
    package func run<Value: Sendable>(
        for tenant: TenantID, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let accepted = admit(tenant) { continuation.resume(with: Result { try body() }) }
            if !accepted { continuation.resume(throwing: Problem.busy) }
        }
    }

    /// Has a job done.
    /// - Returns: false when too many wait; then it is never done.
    func start(_ job: @escaping @Sendable () -> Void) -> Bool { workers.push(job) }

    /// Has a job of one tenant's done, in its turn.
    /// - Returns: false when too many wait; then it is never done.
    func start(for tenant: TenantID, _ job: @escaping @Sendable () -> Void) -> Bool { admit(tenant, job) }

    private func admit(_ tenant: TenantID, _ job: @escaping Job) -> Bool {
        let starts = shares.withLock { shares -> Bool? in
            var share = shares[tenant] ?? Share()
            defer { shares[tenant] = share }
            if share.running < shareMax {
                share.running += 1
                return true
            }
            guard share.waiting.count < Self.waitingMax else { return nil }
            share.waiting.append(job)
            return false
        }
        guard let starts else { return false }
        guard starts else { return true }
        if enqueue(job, tenant) { return true }
        startNext(tenant)
        return false
    }

    private func enqueue(_ job: @escaping Job, _ tenant: TenantID) -> Bool {
        workers.push { [self] in
            job()
            startNext(tenant)
        }
    }

    /// A job of the tenant's is over, or never began: the next one takes its place.
    private func startNext(_ tenant: TenantID) {
        while true {
            let next = shares.withLock { shares -> Job? in
                guard var share = shares[tenant] else { return nil }
                if !share.waiting.isEmpty {
                    let next = share.waiting.removeFirst()
                    shares[tenant] = share
                    return next
                }
                share.running -= 1
                shares[tenant] = share.running > 0 ? share : nil
                return nil
            }
            guard let next else { return }
            if enqueue(next, tenant) { return }
            // It was accepted: without room in the queue it runs here.
            next()
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
