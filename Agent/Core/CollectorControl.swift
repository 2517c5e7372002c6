import Collectors
import Control
import RuntimeSupport

extension NodeSettings {
    /// Names that `collectors.…` may hold.
    static var knownCollectors: [String] {
        DefaultCollectors.make().map(\.name) + [OwnMetricsCollector(OwnMetrics()).name]
    }
}

/// Brings settings of collectors into effect.
struct CollectorControl {
    let runner: CollectorRunner

    var names: Set<String> { Set(runner.entries.map(\.name)) }

    /// A collector without an interval of its own runs at its default, or at the collection interval if that is
    /// slower; those that run each second by default follow the collection interval in both directions.
    /// - Returns: why it cannot be done; nil if it was.
    func apply(_ settings: AgentSettings) -> String? {
        for entry in runner.entries {
            let wanted = settings.collector(entry.name)
            let usual = entry.defaultIntervalMilliseconds
            let common = settings.collectionIntervalMilliseconds
            let interval = wanted.intervalMilliseconds ?? (usual <= Self.fastMilliseconds ? common : max(usual, common))
            guard runner.configure(entry.name, intervalMilliseconds: interval, isEnabled: wanted.isEnabled) else {
                return "collectors.\(entry.name): an interval of \(interval) ms is out of its range"
            }
        }
        return nil
    }

    private static let fastMilliseconds: Int64 = 1000
}
