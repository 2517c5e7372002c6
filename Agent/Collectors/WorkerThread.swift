import Glibc

/// A thread with a small stack and a name.
///
/// `@unchecked Sendable`: the identifier is written once, before anyone else sees the object.
package final class WorkerThread: @unchecked Sendable {
    /// Ample for parsing; only touched pages count as resident.
    static let stackBytes = 256 * 1024
    private var identifier = pthread_t()
    /// False when the system has no thread left; then nothing ran, or will.
    package let isStarted: Bool

    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    package init(name: String, _ run: @escaping @Sendable () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        let body = Unmanaged.passRetained(Body(name: name, run: run))
        let result = pthread_create(
            &identifier, &attributes,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                WorkerThread.setName(body.name)
                body.run()
                return nil
            }, body.toOpaque())
        pthread_attr_destroy(&attributes)
        isStarted = result == 0
        if !isStarted { body.release() }
    }

    /// Waits for the end. Not after ``detach()``.
    package func join() { if isStarted { pthread_join(identifier, nil) } }

    /// Nobody will wait for it: its resources go when it ends.
    package func detach() { if isStarted { pthread_detach(identifier) } }

    /// Names the calling thread, at most 15 bytes, for `top -H`; pthread_setname_np is hidden behind _GNU_SOURCE.
    private static func setName(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = write(descriptor, name, name.utf8.count)
        close(descriptor)
    }
}
