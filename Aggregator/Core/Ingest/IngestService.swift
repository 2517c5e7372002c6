import API
import Ingest
import RuntimeSupport
import Sealing
import Store
import Synchronization
import Telemetry
import WireFormat

/// Everything between a PUBLISH and its acknowledgement: openers that verify and decode in parallel, one writer
/// thread for each tenant that commits and acknowledges.
///
/// Bounds: ``queueItemsPerTenant`` and ``queueBytesPerTenant`` wait for openers; beyond them messages are dropped,
/// counted, and sent again by their agents. A writer that is behind has its tenant held in that queue, where agents
/// are served in turn, rather than getting opened messages that it would have to drop.
final class IngestService: Sendable {
    struct Parts: Sendable {
        var store: StoreDirectory
        var opener: BatchOpener
        var configuration: IngestConfiguration
        var acknowledgementKey: SigningKey
        var live: LiveFeed
        var metrics: OwnMetrics
        var time: any TimeSource
        var report: @Sendable (String) -> Void
        var openers: Int
        /// Whether ``publish`` would take something now.
        var canPublish: @Sendable () -> Bool
        /// To the broker; false while there is no connection or too much is under way.
        var publish: @Sendable (_ topic: String, _ payload: [UInt8]) -> Bool
        var bundleVersion: @Sendable () -> UInt64
        var born: @Sendable (AgentID, TenantID, Birth) -> Void
        /// How far an agent came with a manifest.
        var configured: @Sendable (AgentID, TenantID, ManifestReport) -> Void
        /// What became of a command.
        var answered: @Sendable (AgentID, TenantID, CommandResult) -> Void
    }

    static let queueItemsPerTenant = 16_384
    static let queueBytesPerTenant = 64 << 20
    static let openBatch = 32
    /// A batch whose data key is still on another opener's table is tried again after this.
    static let retryMilliseconds: Int64 = 20
    static let retriesMax = 10

    private let parts: Parts
    private let gate = MessageGate(
        itemsPerTenantMax: IngestService.queueItemsPerTenant, bytesPerTenantMax: IngestService.queueBytesPerTenant)
    private let writers = Mutex<[TenantID: TenantWriter]>([:])
    private let threads = Mutex<[WorkerThread]>([])

    init(_ parts: Parts) { self.parts = parts }

    /// Starts the openers, and the writers of tenants that have data (their agents may have acknowledgements due).
    /// A tenant whose store does not open is reported and tried again when something comes for it.
    func start() {
        for tenant in parts.store.tenants() {
            do { _ = try writer(of: tenant) } catch { parts.report("tenant \(tenant) cannot be opened: \(error)") }
        }
        threads.withLock { threads in
            for number in 0..<parts.openers {
                threads.append(WorkerThread(name: "opener-\(number)") { [self] in openMessages() })
            }
        }
    }

    /// From the transport's thread; never waits.
    func receive(topic: String, payload: [UInt8]) {
        switch gate.receive(topic: topic, payload: payload) {
        case .queued: break
        case .answered: parts.metrics.add("stagebox_ingest_repeated_total")
        case .foreign: parts.metrics.add("stagebox_ingest_dropped_total", 1, "reason", "topic")
        case .full: parts.metrics.add("stagebox_ingest_dropped_total", 1, "reason", "queue-full")
        }
    }

    /// Opens what has arrived, commits it, and ends.
    func stop() {
        gate.close()
        threads.withLock { threads in
            threads.forEach { $0.join() }
            threads.removeAll()
        }
        let all = writers.withLock { Array($0.values) }
        all.forEach { $0.stop() }
    }

    func writer(of tenant: TenantID) throws -> TenantWriter {
        try writers.withLock { writers in
            if let known = writers[tenant], !known.isToBeReplaced { return known }
            let writer = try TenantWriter(tenant: tenant, parts: parts, settled: gate.settled) { [gate] in
                gate.setHeld(false, tenant)
            }
            writers[tenant] = writer
            return writer
        }
    }

    /// Whether every writer answers in time. Waits up to ten seconds for each that does not. One that could not load its
    /// tenant is not running, which a new start would not mend.
    var isAlive: Bool {
        let all = writers.withLock { $0.values.filter { !$0.hasFailed } }
        return all.allSatisfy { $0.look { _ in true } ?? false }
    }

    /// The tenant's agents as its writer knows them now; nil when it has none yet or is ending.
    func fleet(of tenant: TenantID) -> [FleetState]? {
        writers.withLock { $0[tenant] }?.look { $0.fleet }
    }

    private func openMessages() {
        var retries: [(message: MessageGate.Message, attempts: Int)] = []
        while true {
            let messages = gate.pop(
                max: Self.openBatch, waitMilliseconds: retries.isEmpty ? 1000 : Self.retryMilliseconds)
            if messages.isEmpty, retries.isEmpty, gate.isFinished { return }
            let again = retries
            retries.removeAll(keepingCapacity: true)
            for (message, attempts) in again { open(message, attempts + 1, &retries) }
            for message in messages where !gate.answers(message) { open(message, 0, &retries) }
        }
    }

    private func open(
        _ message: MessageGate.Message, _ attempts: Int,
        _ retries: inout [(message: MessageGate.Message, attempts: Int)]
    ) {
        guard
            let opened = parts.opener.open(topic: message.topic, payload: message.payload, now: parts.time.now)
        else { return }
        if case .needsKey = opened.content, attempts < Self.retriesMax, retries.count < Self.queueItemsPerTenant {
            retries.append((message, attempts))
            return
        }
        // Whoever is not enrolled gets no state, no tenant's directory and no answer here.
        if case .rejected(let rejection) = opened.content, rejection.code == .unknownAgent {
            parts.metrics.add("stagebox_ingest_dropped_total", 1, "reason", "unknown-agent")
            return
        }
        do {
            let writer = try writer(of: opened.tenant)
            if !writer.push(opened) {
                parts.metrics.add("stagebox_ingest_dropped_total", 1, "reason", "writer-full")
            }
            if writer.isBehind { gate.setHeld(true, opened.tenant) }
        } catch {
            parts.metrics.add("stagebox_ingest_dropped_total", 1, "reason", "store")
        }
    }
}
