import RuntimeSupport

/// An MQTT 5 broker in memory and in virtual time, for the simulation: deterministic, single-threaded, with the
/// semantics that the protocol leans on (QoS 1 with PUBACK, retained messages, last wills, persistent sessions,
/// take-over by client id, access rules, Receive Maximum) and the misdeeds of a ``FaultPlan``.
///
/// Nothing happens but within ``run(until:)`` and, for a transport's own calls, at once.
///
/// `@unchecked Sendable`: one thread runs it and all its clients.
public final class FakeBroker: @unchecked Sendable {
    /// Lets users write or read topics; `%u` stands for the user name, which may hold a `/`.
    public struct Rule: Sendable {
        public enum Access: Sendable { case read, write }
        public var access: Access
        public var pattern: String
        /// nil: every user.
        public var user: String?
        public init(_ access: Access, _ pattern: String, user: String? = nil) {
            self.access = access
            self.pattern = pattern
            self.user = user
        }
    }

    public let limits: ConnectionLimits
    /// User names and passwords; empty: anybody.
    public var passwords: [String: String] = [:]
    /// Empty: anything goes.
    public var rules: [Rule] = []
    public var faults: FaultPlan
    /// Messages kept for a session whose client is away; beyond it the newest are dropped, as mosquitto does.
    public var queuedMessagesMax = 1000
    public internal(set) var now: Int64 = 0
    public internal(set) var counters = Counters()

    /// What happened, for a simulation's report.
    public struct Counters: Sendable, Equatable {
        public var published = 0
        public var delivered = 0
        public var dropped = 0
        public var duplicated = 0
        public var replayed = 0
        public var forged = 0
        public var withheld = 0
        public var refused = 0
        public var kicked = 0
        public var wills = 0
        public var crashes = 0
        public var queueDropped = 0
    }

    final class Session {
        let clientID: String
        var user: String?
        var transport: FakeTransport?
        var attempt: UInt64 = 0
        var options: TransportOptions
        var subscriptions: [(filter: TopicFilter, quality: QualityOfService)] = []
        var queue: [FakeMessage] = []
        /// Old messages that a lying broker may bring up again.
        var history: [FakeMessage] = []
        /// Delivery in order, unless the plan reorders: nothing arrives before this.
        var lastToClient: Int64 = 0
        var lastToBroker: Int64 = 0
        var unacknowledged = 0
        init(_ options: TransportOptions) {
            clientID = options.clientID
            self.options = options
        }

        /// How messages of this topic are delivered: as the best matching subscription says; nil: none matches.
        func quality(of topic: String) -> QualityOfService? {
            var best: QualityOfService?
            for subscription in subscriptions where subscription.filter.matches(topic) {
                if subscription.quality == .atLeastOnce { return .atLeastOnce }
                best = .atMostOnce
            }
            return best
        }
    }

    enum Event {
        case connectArrives(FakeTransport, attempt: UInt64, TransportOptions)
        case publishArrives(Session, attempt: UInt64, PublishToken, FakeMessage)
        case subscribeArrives(Session, attempt: UInt64, [TopicFilter], QualityOfService)
        case toClient(Session, attempt: UInt64, (FakeTransport) -> Void)
        case deliver(Session, FakeMessage, isRetained: Bool)
        case keepAliveEnds(Session, attempt: UInt64)
        case crash(FaultPlan.Crash)
    }

    var schedule = Schedule<Event>()
    var sessions: [String: Session] = [:] { didSet { order = nil } }
    /// Client ids in order: what a dictionary's own order would make of a run cannot be replayed.
    private var order: [String]?
    var retained: [String: FakeMessage] = [:]
    var generator: SeededGenerator
    var downUntil: Int64 = 0

    public init(
        faults: FaultPlan = .none,
        limits: ConnectionLimits = ConnectionLimits(receiveMaximum: 20, maximumPacketSizeBytes: 1 << 20)
    ) {
        self.faults = faults
        self.limits = limits
        generator = SeededGenerator(seed: faults.seed)
        for crash in faults.crashes { schedule.add(.crash(crash), at: crash.at) }
    }

    /// A client of this broker.
    public func transport(sink: @escaping TransportSink) -> FakeTransport { FakeTransport(broker: self, sink: sink) }

    /// When something is to happen next; nil: never, unless a client does something.
    public var nextEventAt: Int64? { schedule.nextTime }

    /// Moves virtual time on, up to and including `time`.
    public func run(until time: Int64) {
        while let (at, event) = schedule.popFirst(until: time) {
            now = max(now, at)
            perform(event)
        }
        now = max(now, time)
    }

    /// Everybody is disconnected; nobody gets in for a while.
    public func crash(downMilliseconds: Int64, losesState: Bool) {
        counters.crashes += 1
        downUntil = now + downMilliseconds
        let connected = sessions.values.filter { $0.transport != nil }.sorted { $0.clientID < $1.clientID }
        for session in connected {
            detach(session)?.close(.disconnected(TransportFailure(.lost, "the broker is gone")))
        }
        if losesState {
            sessions.removeAll()
            retained.removeAll()
        } else {
            sessions = sessions.filter { $0.value.options.sessionExpirySeconds > 0 }
        }
    }

    /// A retained message as the broker holds it, for tests.
    public func retainedPayload(_ topic: String) -> [UInt8]? { retained[topic]?.payload }

    private func perform(_ event: Event) {
        switch event {
        case .connectArrives(let transport, let attempt, let options): accept(transport, attempt, options)
        case .publishArrives(let session, let attempt, let token, let message):
            guard session.attempt == attempt, session.transport != nil else { return }
            receive(message, token, from: session)
        case .subscribeArrives(let session, let attempt, let filters, let quality):
            guard session.attempt == attempt, session.transport != nil else { return }
            add(filters, quality, to: session)
        case .toClient(let session, let attempt, let body):
            guard session.attempt == attempt, let transport = session.transport else { return }
            body(transport)
        case .deliver(let session, let message, let isRetained): hand(message, to: session, isRetained: isRetained)
        case .keepAliveEnds(let session, let attempt):
            guard session.attempt == attempt, session.transport != nil else { return }
            guard faults.isPartitioned(session.clientID, at: now) != nil else { return }
            drop(session, TransportFailure(.lost, "no answer within the keep-alive"))
        case .crash(let crash): self.crash(downMilliseconds: crash.downMilliseconds, losesState: crash.losesState)
        }
    }

    /// Of the sessions that it keeps, connected or not; ascending.
    public var clientIDs: [String] {
        if let order { return order }
        let sorted = sessions.keys.sorted()
        order = sorted
        return sorted
    }

    /// The session loses its client.
    @discardableResult
    func detach(_ session: Session) -> FakeTransport? {
        defer {
            session.transport = nil
            session.unacknowledged = 0
        }
        return session.transport
    }
}
