import AgentCore
import Intake
import RuntimeSupport
import Synchronization
import Telemetry

/// A real intake server on loopback with a scripted engine behind it.
final class IntakeServerFixture: Sendable {
    let submissions = Mutex<[IntakeSubmission]>([])
    /// What the engine answers at once; nil: it keeps the submission and stays silent.
    let outcome: Mutex<IntakeOutcome?>
    let isAccepting = Mutex(true)
    private let running = Mutex<IntakeServer?>(nil)

    init(
        outcome: IntakeOutcome? = .committed(duplicates: 0), relay: String? = nil,
        configure: (inout IntakeServerConfiguration) -> Void = { _ in }
    ) throws {
        self.outcome = Mutex(outcome)
        var configuration = IntakeServerConfiguration()
        configuration.port = 0
        configure(&configuration)
        let pseudonymise: Pseudonymise = { UserPseudonym(high: UInt64($0.count), low: 9) }
        let time = ManualTimeSource()
        var hooks = IntakeServerHooks(
            eventParser: EventParser(pseudonymVersion: 1, pseudonymise: pseudonymise),
            listenParser: ListenBrainzParser(pseudonymVersion: 1, pseudonymise: pseudonymise), now: { time.now },
            submit: { [weak self] in self?.take($0) ?? false }, metricsText: { "up 1\n" })
        hooks.relay = relay
        let server = try IntakeServer.start(configuration, hooks)
        running.withLock { $0 = server }
    }

    deinit { stop() }
    func stop() { running.withLock { $0.take() }?.stop() }
    var port: Int { running.withLock { $0?.port ?? 0 } }
    func connect() throws -> RawConnection { try RawConnection(port: port) }

    private func take(_ submission: IntakeSubmission) -> Bool {
        guard isAccepting.withLock({ $0 }) else { return false }
        submissions.withLock { $0.append(submission) }
        if let outcome = outcome.withLock({ $0 }) { submission.reply(outcome) }
        return true
    }

    func replyToAll(_ outcome: IntakeOutcome) {
        for submission in submissions.withLock({ $0 }) { submission.reply(outcome) }
    }
}
