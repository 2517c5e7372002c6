import Glibc

/// A joinable thread.
final class WorkerThread: @unchecked Sendable {
    // `handle` is written once in `init` and read in `join`, by the owner.
    private var handle = pthread_t()
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// - Parameter name: of what it does, for the message when it cannot start.
    init(name: String, _ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(run))
        let status = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        precondition(status == 0, "cannot start thread \(name): \(status)")
    }

    func join() { pthread_join(handle, nil) }
}
