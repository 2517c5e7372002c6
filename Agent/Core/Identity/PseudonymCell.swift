import Intake
import Sealing
import Synchronization

/// The pseudonym key in force: read by the intake's thread for each request, replaced by the engine's.
final class PseudonymCell: Sendable {
    private let held: Mutex<PseudonymKey>

    init(_ key: PseudonymKey) { held = Mutex(key) }

    func replace(_ key: PseudonymKey) { held.withLock { $0 = key } }

    /// One key for a whole request: version and pseudonyms agree.
    private var snapshot: (version: UInt32, pseudonymise: Pseudonymise) {
        let key = held.withLock { $0 }
        return (key.version, { key.pseudonym(of: String(decoding: $0, as: UTF8.self)) })
    }

    var eventParser: EventParser {
        let (version, pseudonymise) = snapshot
        return EventParser(pseudonymVersion: version, pseudonymise: pseudonymise)
    }

    var listenParser: ListenBrainzParser {
        let (version, pseudonymise) = snapshot
        return ListenBrainzParser(pseudonymVersion: version, pseudonymise: pseudonymise)
    }
}
