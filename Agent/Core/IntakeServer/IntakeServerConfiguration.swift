package import Intake
package import Telemetry

/// How the intake listens and what bounds it.
package struct IntakeServerConfiguration: Sendable {
    /// host (text, 127.0.0.1): a loopback address or `localhost`; nil: no TCP.
    package var host: String? = "127.0.0.1"
    /// port (0–65535, 9470): 0 lets the kernel choose.
    package var port = 9470
    /// socketPath (path, none): a Unix socket, mode 0660; nil: none.
    package var socketPath: String?
    /// METRICS_BUFFER_SIZE (records, 10000, 1–10000000): records handed over and not yet answered; beyond it 429.
    package var recordsMax = 10_000
    /// Connections at once; further ones are closed on arrival.
    package var connectionsMax = 256
    /// A whole request must arrive within this from its head.
    package var requestMilliseconds: Int64 = 10_000
    /// A connection without a request (also one that dribbles its head) is closed after this.
    package var idleMilliseconds: Int64 = 60_000
    /// The engine's answer is awaited this long, then the client is told 503.
    package var replyMilliseconds: Int64 = 30_000

    package init() {}
}

/// What the intake is given by the agent. All closures are called on the intake's thread and must not block.
package struct IntakeServerHooks: Sendable {
    /// Asked for each request: the pseudonym key may change.
    package var eventParser: @Sendable () -> EventParser
    package var listenParser: @Sendable () -> ListenBrainzParser
    /// The time that events are received at.
    package var now: @Sendable () -> Timestamp
    /// Hands over to the engine; false: its mailbox is full, answered with 429.
    package var submit: @Sendable (IntakeSubmission) -> Bool
    /// The text of `GET /metrics`.
    package var metricsText: @Sendable () -> String
    /// The user a ListenBrainz token stands for, nil if none. By default every non-empty token is its own user.
    package var listenUser: @Sendable (_ token: String) -> String? = { $0.isEmpty ? nil : $0 }
    /// The agent's name, if it hands on the series of others; nil: it does not.
    package var relay: String?
    /// Told of each request's result: records taken, refused, and the status.
    package var observe: @Sendable (_ route: StaticString, _ status: Int, _ accepted: Int, _ rejected: Int) -> Void = {
        _, _, _, _ in
    }

    package init(
        eventParser: @autoclosure @escaping @Sendable () -> EventParser,
        listenParser: @autoclosure @escaping @Sendable () -> ListenBrainzParser,
        now: @escaping @Sendable () -> Timestamp,
        submit: @escaping @Sendable (IntakeSubmission) -> Bool, metricsText: @escaping @Sendable () -> String
    ) {
        self.eventParser = eventParser
        self.listenParser = listenParser
        self.now = now
        self.submit = submit
        self.metricsText = metricsText
    }
}
