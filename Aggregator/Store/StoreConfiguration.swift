package import Telemetry

/// How one aggregator keeps its tenants' data.
package struct StoreConfiguration: Sendable {
    /// `metrics_retention_days` (400, 1...36500): day files older than this are deleted.
    package var metricsRetentionDays: Int
    /// Days that rollups are kept, 0: none are made; nil: as long as samples.
    package var fiveMinuteRetentionDays: Int?
    package var hourRetentionDays: Int?
    /// `events_retention_days` (400, 1...36500): events that happened before are deleted.
    package var eventsRetentionDays: Int
    /// `series_max` (2,000,000): per tenant; samples of further series are dropped and counted.
    package var seriesMax: Int
    /// Age at which an agent's level-0 blocks are merged, milliseconds (300,000).
    package var levelZeroMillisecondsMax: Int64
    /// Bounds of the head, see ``StoreLimits``.
    package var headDecodedBytesMax: Int
    package var headBodyBytesMax: Int
    /// Opened chunk groups of all tenants that this configuration is for.
    package var chunkCache: ChunkCache

    package init(
        metricsRetentionDays: Int = 400, eventsRetentionDays: Int = 400, seriesMax: Int = StoreLimits.seriesMax,
        levelZeroMillisecondsMax: Int64 = StoreLimits.levelZeroMillisecondsMax,
        fiveMinuteRetentionDays: Int? = nil, hourRetentionDays: Int? = nil,
        headDecodedBytesMax: Int = StoreLimits.headDecodedBytesMax,
        headBodyBytesMax: Int = StoreLimits.headBodyBytesMax,
        chunkCache: ChunkCache = ChunkCache()
    ) {
        self.metricsRetentionDays = metricsRetentionDays
        self.fiveMinuteRetentionDays = fiveMinuteRetentionDays
        self.hourRetentionDays = hourRetentionDays
        self.eventsRetentionDays = eventsRetentionDays
        self.seriesMax = seriesMax
        self.levelZeroMillisecondsMax = levelZeroMillisecondsMax
        self.headDecodedBytesMax = headDecodedBytesMax
        self.headBodyBytesMax = headBodyBytesMax
        self.chunkCache = chunkCache
    }
}

extension StoreConfiguration {
    func rollupDays(_ tier: RollupTier) -> Int {
        (tier == .fiveMinutes ? fiveMinuteRetentionDays : hourRetentionDays) ?? metricsRetentionDays
    }
}

/// A file that was set aside, or a part of one that could not be read.
package struct DamageReport: Hashable, Sendable {
    package let at: Timestamp
    /// The file's name within the tenant's directory.
    package let file: String
    /// What was found.
    package let finding: String
    /// What it costs, in words.
    package let consequence: String
}
