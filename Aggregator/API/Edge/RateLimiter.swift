import Synchronization
package import Telemetry

/// Token buckets, one per key and one for all together.
///
/// Bounded in keys: beyond `keysMax` the fullest buckets, which restrict nobody, are forgotten first; when there
/// are none, unknown keys share the common bucket only.
package final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var at: Timestamp
    }
    private struct State {
        var all: Bucket
        var keys: [String: Bucket] = [:]
    }
    private let perSecond: Double
    private let burst: Double
    private let allFactor: Double
    private let keysMax: Int
    private let state: Mutex<State>

    /// - Parameter allFactor: how many times one key's rate all keys together may have.
    package init(perSecond: Double, burst: Double, allFactor: Double = 20, keysMax: Int = 4096, now: Timestamp) {
        self.perSecond = perSecond
        self.burst = burst
        self.allFactor = allFactor
        self.keysMax = keysMax
        state = Mutex(State(all: Bucket(tokens: burst * allFactor, at: now)))
    }

    /// Takes one token of both buckets.
    package func allows(_ key: String, now: Timestamp) -> Bool {
        state.withLock { state in
            refill(&state.all, factor: allFactor, now)
            if state.keys[key] == nil, state.keys.count >= keysMax {
                state.keys = state.keys.filter { entry in
                    var bucket = entry.value
                    refill(&bucket, factor: 1, now)
                    return bucket.tokens < burst
                }
            }
            var bucket = state.keys[key] ?? Bucket(tokens: burst, at: now)
            refill(&bucket, factor: 1, now)
            guard state.all.tokens >= 1, bucket.tokens >= 1 else { return false }
            state.all.tokens -= 1
            bucket.tokens -= 1
            if state.keys[key] != nil || state.keys.count < keysMax { state.keys[key] = bucket }
            return true
        }
    }

    private func refill(_ bucket: inout Bucket, factor: Double, _ now: Timestamp) {
        let elapsed = Double(max(0, now.milliseconds(since: bucket.at))) / 1000
        bucket.tokens = min(burst * factor, bucket.tokens + elapsed * perSecond * factor)
        bucket.at = now
    }
}
