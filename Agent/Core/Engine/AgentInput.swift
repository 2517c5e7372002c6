package import Actions
package import Collectors
package import MQTT

/// What reaches the engine from the agent's other threads, through one bounded mailbox.
package enum AgentInput: Sendable {
    case scrape(Scrape)
    case submission(IntakeSubmission)
    case source(SourceDelivery)
    case transport(TransportEvent)
    /// An action of the node's own has ended.
    case action(ActionOutcome)
    /// Manifests were tried in a child process; nil: they can be applied.
    case dryRun(version: UInt64, problem: String?)
    /// SIGHUP: read the configuration again.
    case reload
    /// SIGTERM: flush, say goodbye, end.
    case stop
}
