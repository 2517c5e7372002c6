/// A first-in-first-out queue between threads, bounded in items and in bytes.
///
/// At the bound `push` refuses and says so; the caller decides what that means and counts it.
/// `@unchecked Sendable`: every access to the stored properties holds the monitor.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    public let itemsMax: Int
    public let bytesMax: Int
    private let monitor = Monitor()
    private var items: [(element: Element, bytes: Int)?] = []
    private var head = 0
    private var bytes = 0
    private var isClosed = false

    public init(itemsMax: Int, bytesMax: Int = .max) {
        precondition(itemsMax > 0 && bytesMax > 0)
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
    }

    public var depth: (items: Int, bytes: Int) { monitor.locked { (items.count - head, bytes) } }

    /// - Returns: false when the queue is full or closed; nothing was stored then.
    public func push(_ element: Element, bytes size: Int = 0) -> Bool {
        monitor.locked {
            let count = items.count - head
            guard !isClosed, count < itemsMax, count == 0 || bytes + size <= bytesMax else { return false }
            items.append((element, size))
            bytes += size
            monitor.wakeOne()
            return true
        }
    }

    /// Takes up to `max` elements; waits up to `milliseconds` for the first one (0: does not wait).
    /// - Returns: an empty array on timeout or when closed and empty.
    public func pop(max: Int, waitMilliseconds milliseconds: Int64) -> [Element] {
        monitor.locked {
            if items.count == head, !isClosed, milliseconds > 0 {
                monitor.wait(milliseconds: milliseconds) { items.count > head || isClosed }
            }
            return take(max)
        }
    }

    /// Wakes every waiter. What is stored can still be popped; nothing more can be pushed.
    public func close() {
        monitor.locked {
            isClosed = true
            monitor.wakeAll()
        }
    }

    public var isFinished: Bool { monitor.locked { isClosed && items.count == head } }

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
}
