package import Actions
import Collectors
package import RuntimeSupport
import Synchronization
package import Telemetry

/// Does one action at a time on a thread that exists only meanwhile.
///
/// Used by the engine's thread only.
package final class ActionRunner {
    private let time: any TimeSource
    private let agent: AgentID
    private let deliver: @Sendable (ActionOutcome) -> Void
    private let cancellation = Cancellation()
    private var thread: WorkerThread?
    private let retryWaits: [Int64]

    private final class Cancellation: Sendable {
        let isSet = Atomic(false)
    }

    /// - Parameters:
    ///   - retryWaits: milliseconds before each further attempt at an address; nil: as a node waits.
    ///   - deliver: called on that thread when an action has ended, once for each.
    package init(
        time: any TimeSource, agent: AgentID, retryWaits: [Int64]? = nil,
        deliver: @escaping @Sendable (ActionOutcome) -> Void
    ) {
        self.retryWaits = retryWaits ?? WebhookRun.waitsMilliseconds
        self.time = time
        self.agent = agent
        self.deliver = deliver
    }

    /// Not before the one before it has ended.
    package func start(_ job: ActionJob) {
        thread?.join()
        let (time, agent, deliver, cancellation, waits) = (time, agent, deliver, cancellation, retryWaits)
        let thread = WorkerThread(name: "action") {
            let (result, detail) = Self.run(job, agent, time, waits) { cancellation.isSet.load(ordering: .relaxed) }
            deliver(ActionOutcome(job, result, detail, at: time.now))
        }
        self.thread = thread
        if !thread.isStarted { deliver(ActionOutcome(job, .failed, "there is no thread for it", at: time.now)) }
    }

    /// Kills what is under way and waits for it, some milliseconds.
    package func stop() {
        cancellation.isSet.store(true, ordering: .relaxed)
        thread?.join()
        thread = nil
    }

    private static func run(
        _ job: ActionJob, _ agent: AgentID, _ time: any TimeSource, _ retryWaits: [Int64],
        _ isCancelled: () -> Bool
    ) -> (ActionOutcome.Result, String) {
        let document = FindingDocument(job, agent: agent)
        switch job.action.kind {
        case .log: return (.done, "")
        case .exec(let path, let arguments):
            switch ScriptCheck.check(path) {
            case .unfit(let reason): return (.refused, reason)
            case .fit(let real):
                return ScriptRun(
                    path: real, arguments: arguments, environment: document.environment, input: document.json,
                    timeoutMilliseconds: job.action.timeoutMilliseconds
                ).run(time: time, isCancelled: isCancelled)
            }
        case .webhook(let target):
            return WebhookRun(
                target: target, body: document.json, timeoutMilliseconds: job.action.timeoutMilliseconds,
                waitsMilliseconds: retryWaits
            ).run(time: time, isCancelled: isCancelled)
        }
    }
}
