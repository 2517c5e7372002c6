import Glibc

/// A joinable thread with a name.
final class WorkerThread: @unchecked Sendable {
    // `handle` is written once in `init` and read in `join`, by the owner.
    private var handle = pthread_t()
    private final class Body {
        let run: @Sendable () -> Void
        let name: String
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// - Parameter name: at most 15 bytes show in tools.
    init(name: String, _ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(name: name, run: run))
        let status = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                pthread_setname_np(pthread_self(), String(body.name.prefix(15)))
                body.run()
                return nil
            }, body.toOpaque())
        precondition(status == 0, "cannot start thread \(name): \(status)")
    }

    func join() { pthread_join(handle, nil) }
}
