import Glibc
package import Telemetry

/// A queue between the broker's callback and the openers, bounded for each tenant, served round robin: a
/// tenant that floods waits for itself, and its overflow is refused (unacknowledged, so its agents send again).
///
/// `@unchecked Sendable`: every access to the stored properties holds `mutex`.
package final class FairQueue<Element: Sendable>: @unchecked Sendable {
    /// Tenants with something waiting at once; a message of a further one is refused.
    package static var tenantsMax: Int { 4096 }
    package let itemsPerTenantMax: Int
    package let bytesPerTenantMax: Int
    private struct Line {
        var items: [(element: Element, bytes: Int)?] = []
        var head = 0
        var bytes = 0
        var refused: UInt64 = 0
        var depth: Int { items.count - head }
    }
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var lines: [TenantID: Line] = [:]
    /// Tenants with something waiting; the front one is served next.
    private var turns: [TenantID] = []
    private var turnHead = 0
    private var isClosed = false

    package init(itemsPerTenantMax: Int, bytesPerTenantMax: Int) {
        precondition(itemsPerTenantMax > 0 && bytesPerTenantMax > 0)
        self.itemsPerTenantMax = itemsPerTenantMax
        self.bytesPerTenantMax = bytesPerTenantMax
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// - Returns: false when the tenant's line is full or the queue closed; nothing was stored then.
    package func push(_ element: Element, of tenant: TenantID, bytes size: Int) -> Bool {
        locked {
            guard !isClosed else { return false }
            let depth = lines[tenant]?.depth ?? 0
            let held = lines[tenant]?.bytes ?? 0
            guard depth < itemsPerTenantMax, depth == 0 || held + size <= bytesPerTenantMax else {
                lines[tenant]?.refused += 1
                return false
            }
            if depth == 0 {
                guard turns.count - turnHead < Self.tenantsMax else { return false }
                if lines.count >= 2 * Self.tenantsMax { lines = lines.filter { $0.value.depth > 0 } }
                turns.append(tenant)
            }
            lines[tenant, default: Line()].items.append((element, size))
            lines[tenant]?.bytes += size
            pthread_cond_signal(condition)
            return true
        }
    }

    /// Takes up to `max` elements, one from each waiting tenant in turn; waits up to `milliseconds` for the first.
    /// - Returns: an empty array on timeout or when closed and empty.
    package func pop(max: Int, waitMilliseconds milliseconds: Int64) -> [Element] {
        locked {
            if turnHead == turns.count, !isClosed, milliseconds > 0 { wait(milliseconds) }
            var taken: [Element] = []
            while taken.count < max, turnHead < turns.count {
                let tenant = turns[turnHead]
                turnHead += 1
                if let element = takeFirst(of: tenant) { taken.append(element) }
                if (lines[tenant]?.depth ?? 0) > 0 { turns.append(tenant) }
            }
            if turnHead == turns.count {
                turns.removeAll(keepingCapacity: true)
                turnHead = 0
            } else if turnHead > 1024 {
                turns.removeFirst(turnHead)
                turnHead = 0
            }
            return taken
        }
    }

    /// Wakes every waiter. What is stored can still be popped; nothing more can be pushed.
    package func close() {
        locked {
            isClosed = true
            pthread_cond_broadcast(condition)
        }
    }

    package var isFinished: Bool { locked { isClosed && turnHead == turns.count } }

    package func depth(of tenant: TenantID) -> (items: Int, bytes: Int, refused: UInt64) {
        locked { (lines[tenant]?.depth ?? 0, lines[tenant]?.bytes ?? 0, lines[tenant]?.refused ?? 0) }
    }

    private func takeFirst(of tenant: TenantID) -> Element? {
        guard var line = lines.removeValue(forKey: tenant) else { return nil }
        defer { lines[tenant] = line }
        guard line.head < line.items.count, let item = line.items[line.head] else { return nil }
        line.items[line.head] = nil
        line.head += 1
        line.bytes -= item.bytes
        if line.head == line.items.count {
            line.items.removeAll(keepingCapacity: line.items.capacity <= 1024)
            line.head = 0
        } else if line.head > 1024, line.head > line.items.count / 2 {
            line.items.removeFirst(line.head)
            line.head = 0
        }
        return item.element
    }

    private func wait(_ milliseconds: Int64) {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let total = Int64(deadline.tv_nsec) + milliseconds % 1000 * 1_000_000
        deadline.tv_sec += Int(milliseconds / 1000 + total / 1_000_000_000)
        deadline.tv_nsec = Int(total % 1_000_000_000)
        while turnHead == turns.count, !isClosed {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { return }
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
