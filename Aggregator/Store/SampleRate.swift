import Synchronization

/// Bounds how many samples come in per second: a bucket that fills at the rate and holds two seconds' worth. A body
/// larger than what is left is taken as long as the bucket is not empty, and owed, so that any body gets through.
/// Thread-safe.
package final class SampleRate: Sendable {
    private struct Bucket {
        var tokens = 0.0
        var at: UInt64?
    }
    private let bucket = Mutex(Bucket())

    package init() {}

    /// After how many seconds something may be taken; 0: now.
    package func wait(perSecond: Int, now: UInt64) -> Int { take(0, perSecond: perSecond, now: now) }

    /// Takes `count` samples.
    /// - Parameters:
    ///   - perSecond: 0: no bound.
    ///   - now: monotonic nanoseconds.
    /// - Returns: 0, or after how many seconds to come again; then nothing was taken.
    package func take(_ count: Int, perSecond: Int, now: UInt64) -> Int {
        guard perSecond > 0 else { return 0 }
        return bucket.withLock { bucket in
            let full = 2 * Double(perSecond)
            let elapsed = bucket.at.map { Double(now &- min($0, now)) / 1e9 }
            bucket.tokens = elapsed.map { min(full, bucket.tokens + $0 * Double(perSecond)) } ?? full
            bucket.at = now
            guard bucket.tokens > 0 else { return max(1, Int((1 - bucket.tokens) / Double(perSecond)) + 1) }
            bucket.tokens -= Double(count)
            return 0
        }
    }
}
