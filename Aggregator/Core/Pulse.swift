import RuntimeSupport

/// Calls a body at an interval, on a thread of its own, until stopped: the service's sign of life.
final class Pulse: Sendable {
    private let stopped = BoundedQueue<Bool>(itemsMax: 1)
    private let thread: WorkerThread

    init(everyMilliseconds: Int64, _ body: @escaping @Sendable () -> Void) {
        let stopped = stopped
        thread = WorkerThread(name: "pulse") {
            repeat { body() } while stopped.pop(max: 1, waitMilliseconds: everyMilliseconds).isEmpty
        }
    }

    func stop() {
        _ = stopped.push(true)
        thread.join()
    }
}
