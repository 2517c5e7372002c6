import AgentCore
import Glibc
import Synchronization

/// Lines on standard error, which the journal takes, through a ``LogThrottle``.
enum Log {
    private static let throttle = Mutex(LogThrottle())

    static func write(_ what: String, _ detail: String) { Output.error("stagebox-agent: \(what): \(detail)\n") }

    static func write(_ report: AgentReport) {
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
        }
    }
}
