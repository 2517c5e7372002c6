package import Telemetry

/// How one aggregator keeps its tenants' data.
package struct StoreConfiguration: Sendable {
    /// How long samples and rollups are kept, unless a tenant's limits say otherwise (``TenantLimits/retention``).
    package var retention: RetentionPolicy
    /// Events that happened so many days (400, 1...36500) ago are deleted; a tenant whose samples are kept longer by its
    /// limits keeps its events as long.
    package var eventsRetentionDays: Int
    /// `series_max` (2,000,000): per tenant; samples of further series are dropped and counted.
    package var seriesMax: Int
    /// Age at which an agent's level-0 blocks are merged, milliseconds (300,000).
    package var levelZeroMillisecondsMax: Int64
    /// Bounds of the head, see ``StoreLimits``.
    package var headDecodedBytesMax: Int
    package var headBodyBytesMax: Int
    package var headColumnBytesMax: Int
    /// Opened chunk groups of all tenants that this configuration is for.
    package var chunkCache: ChunkCache

    /// - Parameter fiveMinuteRetentionDays: of rollups, like `hourRetentionDays`; nil: as long as samples.
    package init(
        metricsRetentionDays: Int = 400, eventsRetentionDays: Int = 400, seriesMax: Int = StoreLimits.seriesMax,
        levelZeroMillisecondsMax: Int64 = StoreLimits.levelZeroMillisecondsMax,
        fiveMinuteRetentionDays: Int? = nil, hourRetentionDays: Int? = nil,
        headDecodedBytesMax: Int = StoreLimits.headDecodedBytesMax,
        headBodyBytesMax: Int = StoreLimits.headBodyBytesMax,
        headColumnBytesMax: Int = StoreLimits.headColumnBytesMax,
        chunkCache: ChunkCache = ChunkCache()
    ) {
        retention = RetentionPolicy(
            raw: metricsRetentionDays, fiveMinutes: fiveMinuteRetentionDays ?? metricsRetentionDays,
            hour: hourRetentionDays ?? metricsRetentionDays)
        self.eventsRetentionDays = eventsRetentionDays
        self.seriesMax = seriesMax
        self.levelZeroMillisecondsMax = levelZeroMillisecondsMax
        self.headDecodedBytesMax = headDecodedBytesMax
        self.headBodyBytesMax = headBodyBytesMax
        self.headColumnBytesMax = headColumnBytesMax
        self.chunkCache = chunkCache
    }
}

extension StoreConfiguration {
    func eventsRetentionDays(_ limits: TenantLimits) -> Int { max(eventsRetentionDays, limits.retention?.raw ?? 0) }
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
