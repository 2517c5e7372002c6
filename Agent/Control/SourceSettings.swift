package import Sources

/// What the agent takes in from other programs beside its intake. Everything is off by default.
package struct SourceSettings: Sendable, Equatable {
    /// Between two reports of StatsD, access logs, Icecast and playlists.
    package var intervalMilliseconds: Int64 = 10_000

    /// Empty: no UDP.
    package var statsdListen = ""
    /// Empty: no Unix datagram socket.
    package var statsdSocketPath = ""
    package var statsdSeriesMax = 2000

    /// Files that name targets; empty: nothing is scraped.
    package var scrapeFiles: [String] = []
    package var scrapeIntervalMilliseconds: Int64 = 15_000
    package var scrapeTimeoutMilliseconds: Int64 = 10_000
    package var scrapeJob = "scrape"
    package var scrapeHonorsLabels = false
    package var scrapeBodyBytesMax = 4 * 1024 * 1024
    package var scrapeSamplesMax = 5000
    /// By their numbers.
    package var targetRules: [Int: RelabelRule] = [:]
    package var sampleRules: [Int: RelabelRule] = [:]

    /// Logs by name.
    package var accessLogs: [String: AccessLog] = [:]
    /// Addresses by name.
    package var icecastServers: [String: HTTPTarget] = [:]
    package var playlists: [String: HTTPTarget] = [:]

    package struct AccessLog: Sendable, Equatable {
        package var format: AccessLogFormat
        package var path: String
        package init(format: AccessLogFormat, path: String) {
            self.format = format
            self.path = path
        }
    }

    package init() {}

    package var isStatsDOn: Bool { !statsdListen.isEmpty || !statsdSocketPath.isEmpty }
    package var isAnyOn: Bool {
        isStatsDOn || !scrapeFiles.isEmpty || !accessLogs.isEmpty || !icecastServers.isEmpty || !playlists.isEmpty
    }
}
