import Glibc

/// A first-in-first-out queue between threads, bounded in items and in bytes.
///
/// At the bound `push` refuses and says so; the caller decides what that means and counts it.
/// `@unchecked Sendable`: every access to the stored properties holds `mutex`.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    public let itemsMax: Int
    public let bytesMax: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var items: [(element: Element, bytes: Int)?] = []
    private var head = 0
    private var bytes = 0
    private var isClosed = false

    public init(itemsMax: Int, bytesMax: Int = .max) {
        precondition(itemsMax > 0 && bytesMax > 0)
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
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

    public var depth: (items: Int, bytes: Int) { locked { (items.count - head, bytes) } }

    /// - Returns: false when the queue is full or closed; nothing was stored then.
    public func push(_ element: Element, bytes size: Int = 0) -> Bool {
        locked {
            let count = items.count - head
            guard !isClosed, count < itemsMax, count == 0 || bytes + size <= bytesMax else { return false }
            items.append((element, size))
            bytes += size
            pthread_cond_signal(condition)
            return true
        }
    }

    /// Takes up to `max` elements; waits up to `milliseconds` for the first one (0: does not wait).
    /// - Returns: an empty array on timeout or when closed and empty.
    public func pop(max: Int, waitMilliseconds milliseconds: Int64) -> [Element] {
        locked {
            if items.count == head, !isClosed, milliseconds > 0 {
                var deadline = timespec()
                clock_gettime(CLOCK_MONOTONIC, &deadline)
                let total = Int64(deadline.tv_nsec) + milliseconds % 1000 * 1_000_000
                deadline.tv_sec += Int(milliseconds / 1000 + total / 1_000_000_000)
                deadline.tv_nsec = Int(total % 1_000_000_000)
                while items.count == head, !isClosed {
                    if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
                }
            }
            return take(max)
        }
    }

    /// Wakes every waiter. What is stored can still be popped; nothing more can be pushed.
    public func close() {
        locked {
            isClosed = true
            pthread_cond_broadcast(condition)
        }
    }

    public var isFinished: Bool { locked { isClosed && items.count == head } }

    private func take(_ max: Int) -> [Element] {
        let count = min(max, items.count - head)
        guard count > 0 else { return [] }
        var taken: [Element] = []
        taken.reserveCapacity(count)
        for index in head..<head + count {
            if let item = items[index] {
                taken.append(item.element)
                bytes -= item.bytes
            }
            items[index] = nil
        }
        head += count
        if head == items.count {
            items.removeAll(keepingCapacity: items.capacity <= 4096)
            head = 0
        } else if head > 1024, head > items.count / 2 {
            items.removeFirst(head)
            head = 0
        }
        return taken
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
