public import RuntimeSupport
import Synchronization
import Telemetry

/// The transport over libmosquitto 2: MQTT 5, TLS 1.3 (plain TCP to loopback only), one thread for each
/// connection attempt, none while there is none.
///
/// Each attempt has a handle of its own, so libmosquitto never carries messages over to the next connection
/// and its queue is bounded by ``TransportOptions/inFlightMax`` messages.
public final class MosquittoClient: MessageTransport {
    private struct State {
        var attempts: UInt64 = 0
        var connection: MosquittoConnection?
        var context: TLSContext?
    }
    private let state = Mutex(State())
    private let timeSource: any TimeSource
    private let sink: TransportSink

    /// - Parameters:
    ///   - timeSource: decides whether the wall clock is behind the time floor.
    ///   - sink: gets every event, on the connection's thread; must not block.
    public init(timeSource: any TimeSource, sink: @escaping TransportSink) {
        self.timeSource = timeSource
        self.sink = sink
    }

    deinit { state.withLock { $0.connection }?.end(.abandon) }

    public func connect(_ options: TransportOptions) throws(TransportError) {
        if let problem = options.problem { throw .invalid(problem) }
        let now = timeSource.now
        try state.withLock { (state) throws(TransportError) in
            if let connection = state.connection, !connection.isOver { throw .alreadyConnected }
            if let tls = options.tls {
                let key = TLSContext.Key(options: tls, host: options.host, now: now)
                if state.context?.key != key { state.context = try TLSContext(key: key) }
            }
            state.attempts += 1
            let connection = try MosquittoConnection(
                number: state.attempts, options: options, context: options.tls == nil ? nil : state.context,
                timeSource: timeSource,
                sink: sink)
            try connection.start()
            state.connection = connection
        }
    }

    public func disconnect() { end(.disconnect) }
    public func abandon() { end(.abandon) }

    private func end(_ how: MosquittoConnection.Ending) {
        let isOrphaned = state.withLock { state -> Bool in
            guard let connection = state.connection, !connection.isOver else { return false }
            if connection.orphan() {
                state.connection = nil
                return true
            }
            connection.end(how)
            return false
        }
        if isOrphaned { sink(.disconnected(TransportFailure(.requested, "closed by us"))) }
    }

    public func subscribe(_ filters: [String], _ quality: QualityOfService) throws(TransportError) {
        guard let connection = state.withLock({ $0.connection }) else { throw .notConnected }
        try connection.subscribe(filters, quality)
    }

    public func publish(topic: String, payload: [UInt8], retain: Bool) throws(TransportError) -> PublishToken {
        guard let connection = state.withLock({ $0.connection }) else { throw .notConnected }
        return try connection.publish(topic: topic, payload: payload, retain: retain)
    }

    public var inFlight: Int { state.withLock { $0.connection }?.inFlight ?? 0 }
}

extension TransportOptions {
    /// Why these options cannot work; nil if they can.
    package var problem: String? {
        if host.isEmpty || host.utf8.count > 253 || port == 0 { return "the broker needs a host name and a port" }
        if tls == nil, !LoopbackHost.isLoopback(host) {
            return
                "plain TCP to \(host):\(port) is refused: set the broker's CA certificate, only loopback works without"
        }
        if clientID.isEmpty || clientID.utf8.count > 64 { return "a client id has 1 to 64 characters" }
        if password != nil, user == nil { return "a password needs a user name" }
        if keepAliveSeconds < 5 { return "keep-alive is 5 s or more" }
        if receiveMaximum == 0 || inFlightMax < 1 || inFlightMax > 65_535 { return "in flight is 1 to 65535 messages" }
        return nil
    }
}
