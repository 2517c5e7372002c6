import Actions
import AgentCore
import Control
import Glibc
import Synchronization

/// Lines on standard error, which the journal takes, through a ``LogThrottle``.
enum Log {
    private static let throttle = Mutex(LogThrottle())
    private static let lowest = Atomic(AgentSettings.LogLevel.info.rank)

    /// Messages below it are left out from now on.
    static func leaveOut(below level: AgentSettings.LogLevel) { lowest.store(level.rank, ordering: .relaxed) }

    static func write(_ what: String, _ detail: String) { Output.error("stagebox-agent: \(what): \(detail)\n") }

    static func write(_ report: AgentReport) {
        guard level(report).rank >= lowest.load(ordering: .relaxed) else { return }
        let (what, detail) = describe(report)
        let now = time(nil)
        if let line = throttle.withLock({ $0.admit(what, detail, now: now) }) { write(what, line) }
    }

    private static func describe(_ report: AgentReport) -> (String, String) {
        switch report {
        case .collectorFailed(let name, let reason): ("collector \(name)", reason)
        case .connected: ("uplink", "connected")
        case .disconnected(let reason): ("uplink", reason)
        case .bufferIncident(let what): ("buffer", what)
        case .storageRisk(let what): ("medium", what)
        case .rowsNotStored(let reason): ("buffer", reason)
        case .acknowledgementRefused(let reason): ("message refused", reason)
        case .uplink(let what): ("uplink", what)
        case .source(let name, let reason): ("source \(name)", reason)
        case .control(let what): ("configuration", what)
        case .detection(let what): ("detection", what)
        case .finding(let finding): ("finding", FindingText.line(finding))
        case .action(let name, let finding): ("action \(name)", FindingText.line(finding))
        case .actionFailed(let outcome): ("action \(outcome.action)", "\(outcome.result.name): \(outcome.detail)")
        }
    }

    /// error: data may be lost, or somebody must act; warning: unexpected, nothing is lost; notice: for who watches the
    /// node; info: took effect.
    private static func level(_ report: AgentReport) -> AgentSettings.LogLevel {
        switch report {
        case .connected, .uplink, .control: .info
        case .finding, .action: .notice
        case .collectorFailed, .disconnected, .source, .acknowledgementRefused, .detection, .actionFailed: .warning
        case .bufferIncident, .storageRisk, .rowsNotStored: .error
        }
    }
}

extension AgentSettings.LogLevel {
    /// Grows with the weight of a message.
    fileprivate var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
