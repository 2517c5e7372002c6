package import Store
package import Telemetry

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
    /// Names and addresses that agents reach this machine by; loopback's are always among those certified.
    package var publicHosts: [String]
    /// Where agents are told that the broker is; nil: the host by which each reached the aggregator, and `brokerPort`.
    package var brokerAddress: BrokerAddress?
    /// Tenants made at start if missing.
    package var tenants: [String]
    /// Opener threads, 1...64 (`PARALLEL_WORKERS`, default 8; no more than the machine has cores are started).
    package var parallelWorkers: Int
    package var retention: RetentionPolicy
    /// debug, info, warning or error.
    package var logLevel = "info"
    /// Whether queries may use what Prometheus keeps behind feature flags: experimental functions, arithmetic in
    /// durations, `anchored` and `smoothed` ranges, `fill`.
    package var allowsExperimentalQueries = false
    /// Each minute nodes are compared with their peers, and how much is anomalous is recorded.
    package var judgesFleet = true
    /// Where tenants' samples are handed on to.
    package var forwarding: [TenantID: ForwardSettings] = [:]

    package init(
        dataDirectory: String, httpHost: String = "127.0.0.1", httpPort: Int = 8480, webRoot: String? = nil,
        brokerHost: String = "127.0.0.1", brokerPort: UInt16 = 8883,
        publicHosts: [String] = [], brokerAddress: BrokerAddress? = nil, tenants: [String] = [],
        parallelWorkers: Int = 8,
        retention: RetentionPolicy = .standard
    ) {
        self.dataDirectory = dataDirectory
        self.httpHost = httpHost
        self.httpPort = httpPort
        self.webRoot = webRoot
        self.brokerHost = brokerHost
        self.brokerPort = brokerPort
        self.publicHosts = publicHosts
        self.brokerAddress = brokerAddress
        self.tenants = tenants
        self.parallelWorkers = parallelWorkers
        self.retention = retention
    }

    /// What the server's certificate is for.
    var certifiedHosts: [String] {
        var hosts: [String] = []
        for host in publicHosts + [brokerAddress?.host, "localhost", "127.0.0.1"].compactMap({ $0 })
        where !hosts.contains(host) {
            hosts.append(host)
        }
        return hosts
    }

    /// The aggregator's own way to its broker: listeners on all addresses listen on loopback, too.
    var ownBrokerHost: String {
        ["0.0.0.0", "::", "127.0.0.1", "localhost"].contains(brokerHost) ? "127.0.0.1" : brokerHost
    }

    /// HTTP beyond loopback speaks TLS 1.3.
    var isHTTPTLS: Bool { !["127.0.0.1", "::1", "localhost"].contains(httpHost) }
}

/// `HOST` or `HOST:PORT`, as agents reach the broker.
package struct BrokerAddress: Sendable, Hashable {
    package var host: String
    /// nil: the port that the broker listens on.
    package var port: UInt16?

    /// - Returns: nil for anything that is not a name or address with an optional port; IPv6 in brackets.
    package init?(_ text: String) {
        var host = Substring(text)
        var portText: Substring?
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            if !rest.isEmpty { portText = rest.dropFirst() }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            portText = text[text.index(after: colon)...]
            guard !host.contains(":") else { return nil }
        }
        let isPlain = host.utf8.allSatisfy {
            (0x30...0x3a).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
                || $0 == 0x2e
        }
        guard isPlain, !host.isEmpty, host.utf8.count <= 253 else { return nil }
        self.host = String(host)
        if let portText {
            guard let port = UInt16(portText), port > 0 else { return nil }
            self.port = port
        }
    }
}
