/// A transport to a ``FakeBroker``.
///
/// `@unchecked Sendable`: it lives in a simulation, where one thread runs the broker and all its clients.
public final class FakeTransport: MessageTransport, @unchecked Sendable {
    enum State { case idle, connecting, connected }

    private let broker: FakeBroker
    private let sink: TransportSink
    private(set) var state = State.idle
    /// Of the newest attempt.
    public private(set) var options: TransportOptions?
    /// Grows with every attempt, so that what was meant for an earlier one is recognised.
    private(set) var attempt: UInt64 = 0
    private var packet: UInt64 = 0
    private var flying: Set<PublishToken> = []

    init(broker: FakeBroker, sink: @escaping TransportSink) {
        self.broker = broker
        self.sink = sink
    }

    public func connect(_ options: TransportOptions) throws(TransportError) {
        guard state == .idle else { throw .alreadyConnected }
        if let problem = options.problem { throw .invalid(problem) }
        attempt += 1
        state = .connecting
        self.options = options
        broker.connect(self, options)
    }

    public func disconnect() { end(graceful: true) }
    public func abandon() { end(graceful: false) }

    private func end(graceful: Bool) {
        guard state != .idle else { return }
        broker.leave(self, graceful: graceful)
        close(.disconnected(TransportFailure(.requested, "closed by us")))
    }

    public func subscribe(_ filters: [String], _ quality: QualityOfService) throws(TransportError) {
        guard state == .connected else { throw .notConnected }
        for filter in filters where TopicFilter(filter) == nil {
            throw .invalid("subscribe to \(filter): not a filter")
        }
        broker.subscribe(self, filters.compactMap(TopicFilter.init), quality)
    }

    public func publish(topic: String, payload: [UInt8], retain: Bool) throws(TransportError) -> PublishToken {
        guard state == .connected, let options else { throw .notConnected }
        guard flying.count < options.inFlightMax else { throw .tooManyInFlight(limit: options.inFlightMax) }
        let size = payload.count + topic.utf8.count + 10
        guard size <= broker.limits.maximumPacketSizeBytes else {
            throw .tooLarge(bytes: size, limit: broker.limits.maximumPacketSizeBytes)
        }
        guard !topic.isEmpty, !topic.contains("+"), !topic.contains("#") else { throw .invalid("publish to \(topic)") }
        packet += 1
        let token = PublishToken(rawValue: attempt << 32 | packet)
        flying.insert(token)
        broker.publish(self, token, FakeMessage(topic: topic, payload: payload, isRetained: retain))
        return token
    }

    public var inFlight: Int { flying.count }
    /// Whether there is a connection, for a simulation's checks.
    public var isConnected: Bool { state == .connected }

    // MARK: What the broker calls

    func didConnect(_ limits: ConnectionLimits) {
        state = .connected
        sink(.connected(limits))
    }

    func didPublish(_ token: PublishToken, refused: TransportFailure?) {
        guard flying.remove(token) != nil else { return }
        sink(refused.map { .publishRefused(token, $0) } ?? .published(token))
    }

    func didReceive(_ message: FakeMessage, isRetained: Bool) {
        sink(.message(topic: message.topic, payload: message.payload, isRetained: isRetained))
    }

    func refuse(_ failure: TransportFailure) { sink(.subscriptionRefused(failure)) }

    /// The connection or attempt ends.
    func close(_ event: TransportEvent) {
        guard state != .idle else { return }
        state = .idle
        flying.removeAll()
        sink(event)
    }
}

struct FakeMessage: Hashable {
    var topic: String
    var payload: [UInt8]
    var isRetained: Bool
}
