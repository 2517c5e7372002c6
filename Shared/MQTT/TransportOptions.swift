public import Telemetry

/// How to connect to a broker.
public struct TransportOptions: Sendable, Equatable {
    /// Certificates to trust, and the earliest time that can be now.
    public struct TLS: Sendable, Equatable {
        /// PEM text of one or more CA certificates; the only ones trusted.
        public var certificateAuthorityPEM: String
        /// The name or address to find in the broker's certificate; nil: the host connected to.
        public var serverName: String?
        /// Certificates are checked at this time when the wall clock is behind it (no clock battery, 1970).
        public var timeFloor: Timestamp?
        public init(certificateAuthorityPEM: String, serverName: String? = nil, timeFloor: Timestamp? = nil) {
            self.certificateAuthorityPEM = certificateAuthorityPEM
            self.serverName = serverName
            self.timeFloor = timeFloor
        }
    }
    /// What the broker publishes for us when the connection ends without a goodbye; QoS 1.
    public struct Will: Sendable, Equatable {
        public var topic: String
        public var payload: [UInt8]
        public var isRetained: Bool
        public init(topic: String, payload: [UInt8], isRetained: Bool = true) {
            self.topic = topic
            self.payload = payload
            self.isRetained = isRetained
        }
    }

    public var host: String
    public var port: UInt16
    /// TLS 1.3; nil: plain TCP, accepted for loopback hosts only.
    public var tls: TLS?
    /// 1 to 64 characters.
    public var clientID: String
    public var user: String?
    public var password: String?
    public var will: Will?
    public var cleanStart: Bool
    /// Seconds the broker keeps the session after the connection ends; 0: none.
    public var sessionExpirySeconds: UInt32
    /// 5...65535.
    public var keepAliveSeconds: UInt16
    /// QoS 1 messages that the broker may have in flight to us.
    public var receiveMaximum: UInt16
    /// Our own bound on messages in flight and waiting within libmosquitto; ``MessageTransport/publish``
    /// refuses beyond it.
    public var inFlightMax: Int
    /// From ``MessageTransport/connect(_:)`` to CONNACK.
    public var connectTimeoutMilliseconds: Int64

    public init(
        host: String, port: UInt16, tls: TLS?, clientID: String, user: String? = nil, password: String? = nil,
        will: Will? = nil, cleanStart: Bool = true, sessionExpirySeconds: UInt32 = 0, keepAliveSeconds: UInt16 = 60,
        receiveMaximum: UInt16 = 65_535, inFlightMax: Int = 64, connectTimeoutMilliseconds: Int64 = 15_000
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.clientID = clientID
        self.user = user
        self.password = password
        self.will = will
        self.cleanStart = cleanStart
        self.sessionExpirySeconds = sessionExpirySeconds
        self.keepAliveSeconds = keepAliveSeconds
        self.receiveMaximum = receiveMaximum
        self.inFlightMax = inFlightMax
        self.connectTimeoutMilliseconds = connectTimeoutMilliseconds
    }
}
