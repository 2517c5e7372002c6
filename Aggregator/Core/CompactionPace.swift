package import Store

/// How fast the background work goes: at most half of one processor, so that ingest and queries keep the rest; all of one
/// while more waits than is to wait.
package enum CompactionPace {
    package static let idleMilliseconds: Int64 = 1000
    package static let restMillisecondsMin: Int64 = 10
    /// A long step is not followed by as long a rest, in which what waits would grow.
    package static let restMillisecondsMax: Int64 = 500

    /// - Parameter milliseconds: that the round took.
    /// - Returns: how many to rest before the next one.
    package static func rest(after round: TenantStore.CompactionResult, milliseconds: Int64) -> Int64 {
        guard round.didWork else { return idleMilliseconds }
        return round.isBehind ? restMillisecondsMin : min(restMillisecondsMax, max(restMillisecondsMin, milliseconds))
    }
}
