import MQTT
import Synchronization
import TestSupport

/// Keeps what a transport reported.
final class EventRecorder: Sendable {
    private let events = Mutex<[TransportEvent]>([])
    var sink: TransportSink { { event in self.events.withLock { $0.append(event) } } }
    var all: [TransportEvent] { events.withLock { $0 } }
    func clear() { events.withLock { $0.removeAll() } }

    /// For real brokers only.
    func waits(upToSeconds seconds: Double = 20, for condition: (TransportEvent) -> Bool) -> Bool {
        Waiting.until(withinSeconds: seconds) { all.contains(where: condition) }
    }

    var messages: [(topic: String, payload: [UInt8])] {
        all.compactMap { if case .message(let topic, let payload, _) = $0 { (topic, payload) } else { nil } }
    }
    var published: [PublishToken] { all.compactMap { if case .published(let token) = $0 { token } else { nil } } }
    var failures: [TransportFailure] {
        all.compactMap {
            switch $0 {
            case .connectFailed(let failure), .disconnected(let failure): failure
            default: nil
            }
        }
    }
    func waitsUntilConnected() -> Bool { waits { if case .connected = $0 { true } else { false } } }
    func waitsForFailure() -> TransportFailure? {
        _ = Waiting.until(withinSeconds: 20) { !failures.isEmpty }
        return failures.first
    }
}
