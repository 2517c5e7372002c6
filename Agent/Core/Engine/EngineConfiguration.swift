package import Control

/// What the engine needs to know of the configuration; every value can change while it runs.
package struct EngineConfiguration: Sendable, Equatable {
    /// How often samples become a batch when the aggregator wants nothing else, 200...60 000 ms.
    package var flushMilliseconds: Int64

    /// What the node itself was set to: files, environment and flags, before any manifest.
    package var settings: AgentSettings {
        didSet { flushMilliseconds = settings.flushIntervalMilliseconds }
    }

    package init(flushMilliseconds: Int64 = 10_000) {
        self.flushMilliseconds = flushMilliseconds
        settings = AgentSettings()
        settings.flushIntervalMilliseconds = flushMilliseconds
    }
}
