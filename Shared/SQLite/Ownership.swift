import Glibc
import Synchronization

/// Checks that one thread at a time uses a connection and its statements.
///
/// The first call after `init` or `transfer` takes ownership; a call from another thread is a programming error.
final class Ownership: Sendable {
    private let owner = Atomic<UInt>(0)

    @inline(__always)
    func check() {
        let current = UInt(pthread_self())
        if owner.load(ordering: .relaxed) != current { take(current) }
    }

    /// The next thread that calls `check` becomes the owner.
    func transfer() { owner.store(0, ordering: .releasing) }

    @inline(never)
    private func take(_ current: UInt) {
        let (exchanged, original) = owner.compareExchange(
            expected: 0, desired: current, ordering: .acquiringAndReleasing)
        precondition(
            exchanged, "a connection of thread \(original) was used by thread \(current) without transferOwnership()")
    }
}
