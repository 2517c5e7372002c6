/// Settings of the aggregator; all have defaults that work on one machine.
package struct AggregatorConfiguration: Sendable {
    /// Where everything is kept.
    package var dataDirectory: String
    /// HTTP API and dashboard.
    package var httpHost: String
    package var httpPort: Int
    /// The pages; nil: none.
    package var webRoot: String?
    /// MQTT over TLS 1.3 for agents, by the supervised mosquitto.
    package var brokerHost: String
    package var brokerPort: UInt16
    /// Names and addresses that agents reach this machine by.
    package var publicHosts: [String]
    /// Tenants made at start if missing.
    package var tenants: [String]
    /// Opener threads, 1...64 (`PARALLEL_WORKERS`, default 8; no more than the machine has cores are started).
    package var parallelWorkers: Int
    package var metricsRetentionDays: Int?

    package init(
        dataDirectory: String, httpHost: String = "127.0.0.1", httpPort: Int = 8480, webRoot: String? = nil,
        brokerHost: String = "127.0.0.1", brokerPort: UInt16 = 8883,
        publicHosts: [String] = ["localhost", "127.0.0.1"], tenants: [String] = [], parallelWorkers: Int = 8,
        metricsRetentionDays: Int? = nil
    ) {
        self.dataDirectory = dataDirectory
        self.httpHost = httpHost
        self.httpPort = httpPort
        self.webRoot = webRoot
        self.brokerHost = brokerHost
        self.brokerPort = brokerPort
        self.publicHosts = publicHosts
        self.tenants = tenants
        self.parallelWorkers = parallelWorkers
        self.metricsRetentionDays = metricsRetentionDays
    }

    /// HTTP beyond loopback speaks TLS 1.3.
    var isHTTPTLS: Bool { !["127.0.0.1", "::1", "localhost"].contains(httpHost) }
}
