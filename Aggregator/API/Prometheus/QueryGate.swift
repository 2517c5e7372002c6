import Dispatch
import Glibc
import PromQL
import RuntimeSupport
import Synchronization
import Telemetry

/// Bounds how many queries of one tenant run at once, so that one tenant's do not hold up another's.
final class QueryGate: Sendable {
    private let running = Mutex<[TenantID: Int]>([:])

    /// - Throws: at the bound.
    func enter(_ tenant: TenantID, max: Int) throws -> Ticket {
        try running.withLock { running in
            guard running[tenant, default: 0] < max else {
                throw PrometheusError(
                    .unavailable,
                    "\(max) queries of this tenant are running; wait for one to end, or have queries in limits.conf raised"
                )
            }
            running[tenant, default: 0] += 1
        }
        return Ticket(gate: self, tenant: tenant)
    }

    /// One running query; counts until it is given back or forgotten.
    final class Ticket: Sendable {
        private let gate: QueryGate
        private let tenant: TenantID
        private let isOpen = Mutex(true)

        init(gate: QueryGate, tenant: TenantID) {
            self.gate = gate
            self.tenant = tenant
        }
        deinit { leave() }
        func leave() {
            let wasOpen = isOpen.withLock { isOpen in
                defer { isOpen = false }
                return isOpen
            }
            guard wasOpen else { return }
            gate.running.withLock { running in
                running[tenant, default: 1] -= 1
                if running[tenant] == 0 { running[tenant] = nil }
            }
        }
    }
}

/// Ends a query at its deadline or when its client is gone.
final class QueryInterruption: Sendable {
    private let deadline: UInt64
    private let milliseconds: Int64
    private let isCanceled = Atomic(false)
    private let clock = SystemTimeSource()
    /// When it was made, of the monotonic clock.
    let beginSeconds: Double

    init(milliseconds: Int64) {
        self.milliseconds = milliseconds
        let now = clock.monotonicNanoseconds
        beginSeconds = Double(now) / 1e9
        deadline = now + UInt64(max(0, milliseconds)) * 1_000_000
    }

    /// Of the monotonic clock.
    var seconds: Double { Double(clock.monotonicNanoseconds) / 1e9 }

    func cancel() { isCanceled.store(true, ordering: .relaxed) }

    var error: QueryError? {
        if isCanceled.load(ordering: .relaxed) { return QueryError(.canceled, "query was canceled") }
        guard clock.monotonicNanoseconds >= deadline else { return nil }
        return QueryError(
            .timeout, "query timed out in expression evaluation after \(milliseconds) ms; ask for less or longer steps")
    }
}

/// Spreads the chunks of a query over the cores.
enum ParallelChunks {
    static let concurrency = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

    static func run(_ count: Int, _ chunk: @Sendable (Int) -> Void) {
        guard count > 1 else {
            for index in 0..<count { chunk(index) }
            return
        }
        DispatchQueue.concurrentPerform(iterations: count, execute: chunk)
    }
}
