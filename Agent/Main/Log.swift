import AgentCore
import Glibc
import Synchronization

/// Lines on standard error, which the journal takes. A report that repeats is written once a minute, with the
/// count of those left out.
enum Log {
    private struct Repeats {
        var line = ""
        var writtenAt = 0
        var suppressed = 0
    }
    private static let repeats = Mutex<[String: Repeats]>([:])
    private static let quietSeconds = 60

    static func write(_ what: String, _ detail: String) { Output.error("stagebox-agent: \(what): \(detail)\n") }

    static func write(_ report: AgentReport) {
        let (what, detail) = describe(report)
        let now = time(nil)
        let line: String? = repeats.withLock { repeats in
            var known = repeats[what] ?? Repeats()
            defer { repeats[what] = known }
            if known.line == detail, now - known.writtenAt < quietSeconds {
                known.suppressed += 1
                return nil
            }
            let suffix = known.suppressed > 0 ? " (and \(known.suppressed) times before)" : ""
            known = Repeats(line: detail, writtenAt: now, suppressed: 0)
            return detail + suffix
        }
        if let line { write(what, line) }
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
        }
    }
}
