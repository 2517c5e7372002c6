import Actions
import RuntimeSupport
import Telemetry

/// What the node does by itself about findings, as its guard file says.
extension AgentEngine {
    /// The guard file was read.
    func useActions(_ wanted: [LocalAction]) {
        guard var dispatcher = actions else {
            if !wanted.isEmpty { actions = ActionDispatcher(wanted) }
            return
        }
        guard dispatcher.actions != wanted else { return }
        let gone = dispatcher.replace(wanted, time: time.now)
        actions = dispatcher
        note(gone)
    }

    /// Takes up what is to be done about a finding that opened or closed.
    func act(on finding: Finding) {
        guard var dispatcher = actions else { return }
        let refused = dispatcher.offer(finding, now: now, time: time.now)
        actions = dispatcher
        note(refused)
        startNextAction()
    }

    /// A thread says that its action has ended.
    func actionEnded(_ outcome: ActionOutcome) {
        actions?.ended(outcome.job)
        note([outcome])
        startNextAction()
    }

    /// What waits is not done by this start any more.
    func stopActions() { note(actions?.stop(time: time.now) ?? []) }

    private func startNextAction() {
        while let job = actions?.next() {
            guard case .log = job.action.kind else { return parts.act(job) }
            parts.report(.action(job.action.name, job.finding))
            actions?.ended(job.number)
            note([ActionOutcome(job, .done, "", at: time.now)])
        }
    }

    private func note(_ outcomes: [ActionOutcome]) {
        guard !outcomes.isEmpty else { return }
        for outcome in outcomes {
            metrics.add("stagebox_actions_total", 1, "action", outcome.action, "result", outcome.result.name)
            if outcome.result != .done { parts.report(.actionFailed(outcome)) }
        }
        parts.keepActions(outcomes)
    }
}
