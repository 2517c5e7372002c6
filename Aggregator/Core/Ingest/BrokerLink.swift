import MQTT
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import WireFormat

/// The aggregator's connection to the broker: keeps it, subscribes, hands messages on, publishes.
final class BrokerLink: Sendable {
    private enum Event: Sendable {
        case transport(TransportEvent)
        /// Look at the state: something is to be sent, or the end has come.
        case wake
    }
    private struct State {
        var isOnline = false
        var isStopping = false
        var retained: [String: [UInt8]] = [:]
        /// Topics of `retained` whose newest payload this connection has not taken yet.
        var unsent = Set<String>()
        var failure = "not connected yet"
    }
    /// Between two tries to send what the connection had no room for.
    private static let retryMilliseconds: Int64 = 50
    private let options: TransportOptions
    private let metrics: OwnMetrics
    private let report: @Sendable (String) -> Void
    private let events = BoundedQueue<Event>(itemsMax: 1024)
    private let state = Mutex(State())
    private let client: MosquittoClient
    private let thread = Mutex<WorkerThread?>(nil)

    /// - Parameter receive: called on the transport's thread for each message; must not wait.
    init(
        options: TransportOptions, time: any TimeSource, metrics: OwnMetrics,
        report: @escaping @Sendable (String) -> Void, receive: @escaping @Sendable (String, [UInt8]) -> Void
    ) {
        self.options = options
        self.metrics = metrics
        self.report = report
        let events = events
        client = MosquittoClient(timeSource: time) { event in
            switch event {
            case .message(let topic, let payload, _): receive(topic, payload)
            case .published: break
            default: _ = events.push(.transport(event))
            }
        }
    }

    /// nil while connected; else why not.
    var problem: String? { state.withLock { $0.isOnline ? nil : "broker: \($0.failure)" } }

    func start() { thread.withLock { $0 = WorkerThread(name: "broker-link") { [self] in run() } } }

    func stop() {
        state.withLock { $0.isStopping = true }
        _ = events.push(.wake)
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }

    /// Whether there is a connection, and room on it.
    var canPublish: Bool { state.withLock(\.isOnline) && client.inFlight < options.inFlightMax }

    /// - Returns: false while there is no connection or it is at its bound; nothing was sent then.
    func publish(_ topic: String, _ payload: [UInt8]) -> Bool {
        do {
            _ = try client.publish(topic: topic, payload: payload, retain: false)
            return true
        } catch {
            metrics.add("stagebox_ingest_publishes_refused_total")
            return false
        }
    }

    /// Kept and published again after each connection; of several payloads of a topic the newest.
    func publishRetained(_ topic: String, _ payload: [UInt8]) {
        let isFirst = state.withLock { state in
            state.retained[topic] = payload
            return state.unsent.insert(topic).inserted && state.unsent.count == 1
        }
        if isFirst { _ = events.push(.wake) }
    }

    private func run() {
        var backoff = Backoff(baseMilliseconds: 500, capMilliseconds: 15_000)
        var generator = SecureGenerator()
        var wait: Int64? = 0
        while true {
            let hasUnsent = state.withLock { $0.isOnline && !$0.unsent.isEmpty }
            let batch = events.pop(max: 64, waitMilliseconds: wait ?? (hasUnsent ? Self.retryMilliseconds : 5000))
            if state.withLock(\.isStopping) {
                client.disconnect()
                return
            }
            if batch.isEmpty, wait != nil {
                wait = nil
                connect(&wait, &backoff, &generator)
            }
            for event in batch {
                switch event {
                case .wake: break
                case .transport(.connected):
                    backoff.reset()
                    connected()
                case .transport(.connectFailed(let failure)), .transport(.disconnected(let failure)):
                    let wasOnline = state.withLock { state in
                        defer { (state.isOnline, state.failure) = (false, failure.message) }
                        return state.isOnline
                    }
                    if wasOnline { report("the broker connection ended: \(failure.message)") }
                    wait = backoff.nextDelayMilliseconds(using: &generator)
                case .transport(.subscriptionRefused(let failure)): report("subscription refused: \(failure.message)")
                case .transport: break
                }
            }
            sendRetained()
        }
    }

    private func connect(_ wait: inout Int64?, _ backoff: inout Backoff, _ generator: inout SecureGenerator) {
        do { try client.connect(options) } catch {
            state.withLock { $0.failure = String(describing: error) }
            wait = backoff.nextDelayMilliseconds(using: &generator)
        }
    }

    private func connected() {
        do {
            try client.subscribe(Topics.aggregatorFilters, .atLeastOnce)
            try client.subscribe(Topics.aggregatorBatchFilters, .atMostOnce)
        } catch { report("cannot subscribe: \(error)") }
        state.withLock { state in
            state.isOnline = true
            state.unsent = Set(state.retained.keys)
        }
        metrics.add("stagebox_ingest_connections_total")
    }

    /// Sends what is unsent as far as the connection has room; the rest stays for the next turn.
    private func sendRetained() {
        let due = state.withLock { $0.isOnline ? $0.unsent.sorted() : [] }
        for topic in due {
            // Taken out before it is sent: a newer payload that comes meanwhile is put in again.
            guard let payload = state.withLock({ $0.unsent.remove(topic) == nil ? nil : $0.retained[topic] }) else {
                continue
            }
            do { _ = try client.publish(topic: topic, payload: payload, retain: true) } catch {
                switch error {
                case .notConnected, .tooManyInFlight:
                    state.withLock { _ = $0.unsent.insert(topic) }
                    return
                default: report("cannot publish \(topic): \(error)")
                }
            }
        }
    }
}
