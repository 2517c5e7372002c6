public import Glibc

/// A mutex with one condition, whose waits end by the monotonic clock.
///
/// What it guards belongs to its owner, who touches it inside ``locked(_:)`` only.
/// `@unchecked Sendable`: both pthread objects are made to be shared between threads, and do not move.
public final class Monitor: @unchecked Sendable {
    @usableFromInline let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    public init() {
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

    /// Not recursive.
    @inlinable
    public func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// With the lock held, which is given up meanwhile: waits until `isReached` says so, at most so many milliseconds.
    public func wait(milliseconds: Int64, until isReached: () -> Bool) {
        var deadline = Self.deadline(milliseconds)
        while !isReached() {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { return }
        }
    }

    /// With the lock held, which is given up meanwhile: waits until woken, for whatever reason, or the time has passed.
    public func wait(milliseconds: Int64) {
        var deadline = Self.deadline(milliseconds)
        pthread_cond_timedwait(condition, mutex, &deadline)
    }

    public func wakeOne() { pthread_cond_signal(condition) }
    public func wakeAll() { pthread_cond_broadcast(condition) }

    private static func deadline(_ milliseconds: Int64) -> timespec {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = Int64(deadline.tv_nsec) + milliseconds % 1000 * 1_000_000
        deadline.tv_sec += Int(milliseconds / 1000 + nanoseconds / 1_000_000_000)
        deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
        return deadline
    }
}
