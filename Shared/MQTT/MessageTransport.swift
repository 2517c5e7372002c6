/// One connection to an MQTT 5 broker, as both programs use it: libmosquitto behind it in production
/// (``MosquittoClient``), an in-memory broker in the simulation (``FakeTransport``).
///
/// The transport never reconnects by itself: after `connectFailed` or `disconnected` its owner decides when
/// to call ``connect(_:)`` again, so that back-off and jitter are the owner's. Nothing is ever queued for a
/// later connection: each starts empty, and what was in flight before is the owner's to send again.
///
/// Calls may come from any thread; events arrive in order on the transport's own thread, or, from the fake,
/// on the thread that runs the broker.
public protocol MessageTransport: AnyObject, Sendable {
    /// Starts connecting and returns at once; `connected` or `connectFailed` follows.
    /// - Throws: ``TransportError/alreadyConnected`` unless disconnected, ``TransportError/invalid(_:)`` when
    ///   the options cannot work (plain TCP to a host that is not loopback, an unreadable CA certificate).
    func connect(_ options: TransportOptions) throws(TransportError)

    /// Says goodbye (the broker drops the last will) and closes; `disconnected(.requested)` follows if there
    /// was a connection or an attempt. Does nothing when there is neither.
    func disconnect()

    /// Closes without goodbye, as a crash would: the broker sends the last will.
    func abandon()

    /// Subscribes; messages come with the lower of this quality and the one they were published with.
    /// Refusals arrive as `subscriptionRefused`.
    func subscribe(_ filters: [String], _ quality: QualityOfService) throws(TransportError)

    /// Publishes with QoS 1. `published` with the same token follows once the broker has it, which frees a
    /// slot in flight and proves nothing else.
    /// - Throws: ``TransportError/notConnected`` while there is no connection,
    ///   ``TransportError/tooManyInFlight`` at the bound of ``TransportOptions/inFlightMax``,
    ///   ``TransportError/tooLarge`` above the broker's maximum packet size. Nothing was sent or queued then.
    func publish(topic: String, payload: [UInt8], retain: Bool) throws(TransportError) -> PublishToken

    /// Messages published on this connection that the broker has not taken yet.
    var inFlight: Int { get }
}

extension MessageTransport {
    /// Subscribes with QoS 1.
    public func subscribe(_ filters: [String]) throws(TransportError) { try subscribe(filters, .atLeastOnce) }
}

/// How a broker delivers what was subscribed to.
public enum QualityOfService: UInt8, Sendable {
    /// QoS 0: no PUBACK; nothing is kept for a client that is away or too slow. For what its sender repeats by itself.
    case atMostOnce = 0
    /// QoS 1: repeated until the client's PUBACK, kept for its session.
    case atLeastOnce = 1
}

/// What happens on a connection. Sinks only enqueue and return.
public enum TransportEvent: Sendable, Equatable {
    case connected(ConnectionLimits)
    case connectFailed(TransportFailure)
    case disconnected(TransportFailure)
    case message(topic: String, payload: [UInt8], isRetained: Bool)
    case published(PublishToken)
    /// The broker took the message but refused it (not authorised, quota, …).
    case publishRefused(PublishToken, TransportFailure)
    case subscriptionRefused(TransportFailure)
}

/// Where events go; called on the transport's thread.
public typealias TransportSink = @Sendable (TransportEvent) -> Void

/// Names a message in flight, unique over all connections of one transport.
public struct PublishToken: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public var description: String { "\(rawValue >> 16)/\(rawValue & 0xffff)" }
}

/// What the broker said in its CONNACK.
public struct ConnectionLimits: Hashable, Sendable {
    /// How many QoS 1 messages may be in flight, 1...65535.
    public var receiveMaximum: Int
    /// Of a whole PUBLISH packet in bytes.
    public var maximumPacketSizeBytes: Int
    public var isSessionPresent: Bool
    public init(
        receiveMaximum: Int = 65_535, maximumPacketSizeBytes: Int = 268_435_455, isSessionPresent: Bool = false
    ) {
        self.receiveMaximum = receiveMaximum
        self.maximumPacketSizeBytes = maximumPacketSizeBytes
        self.isSessionPresent = isSessionPresent
    }
}

/// Why a connection did not come about or ended, for logs and for choosing what to do.
public struct TransportFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        case requested  // we called disconnect or abandon
        case unreachable  // name, route, port
        case tls  // handshake, certificate, name, time
        case refused  // user name, password, client id, banned
        case takenOver  // another client used our client id
        case lost  // network, keep-alive, broker stopped
        case protocolError
        case quota  // the broker is busy or limits us
    }
    public var kind: Kind
    /// What happened, where, and what to do.
    public var message: String
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
    public var description: String { "\(kind.rawValue): \(message)" }
}

/// Why a call did nothing.
public enum TransportError: Error, Hashable, Sendable {
    case notConnected
    case alreadyConnected
    case tooManyInFlight(limit: Int)
    case tooLarge(bytes: Int, limit: Int)
    /// Options or arguments that cannot work; the text says which and what to do.
    case invalid(String)
    /// libmosquitto refused for another reason.
    case failed(String)
}
