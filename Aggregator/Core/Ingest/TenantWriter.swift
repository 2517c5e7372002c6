import API
import Ingest
import RuntimeSupport
import Sealing
import Store
import Synchronization
import Telemetry
import WireFormat

/// One tenant's writer: its thread owns the ``TenantIngest``, commits to the store and publishes acknowledgements.
final class TenantWriter: Sendable {
    enum Input: Sendable {
        case message(OpenedMessage)
        case desiredConfiguration(UInt64, AgentID)
        /// Pushed samples; answered once they are durable.
        case pushed([PushedBlock], @Sendable (Result<Void, any Error>) -> Void)
        /// What the ingest knows now; answered on the writer's thread.
        case look(@Sendable (TenantIngest) -> Void)
    }
    /// Agents that somebody watches are asked to flush this often: half of the time a chart may lag behind.
    static let watchedFlushMilliseconds: UInt32 = 200
    static let messagesPerCommit = 2048
    /// With more than this waiting, openers leave the tenant's messages where they are.
    static let behindItems = 2 * messagesPerCommit
    static let behindBytes = IngestService.queueBytesPerTenant / 2

    let tenant: TenantID
    private let parts: IngestService.Parts
    private let settled: SettledBatches
    private let caughtUp: @Sendable () -> Void
    private let queue = BoundedQueue<Input>(
        itemsMax: IngestService.queueItemsPerTenant, bytesMax: IngestService.queueBytesPerTenant)
    private let thread = Mutex<WorkerThread?>(nil)
    /// When the tenant could not be loaded, monotonic nanoseconds; 0: it was, or is being loaded.
    private let failedAt = Atomic<UInt64>(0)
    /// Set when a commit found damage, taken back by the writer's thread.
    private final class Damage: Sendable { let isFound = Atomic(false) }
    private let damage = Damage()
    private var isStoreDamaged: Bool {
        get { damage.isFound.load(ordering: .relaxed) }
        set { damage.isFound.store(newValue, ordering: .relaxed) }
    }
    private let pushes: PushCommits
    /// After which a failed load is tried again by a new writer.
    private static let retryNanoseconds: UInt64 = 5_000_000_000

    /// - Parameter caughtUp: called on the writer's thread whenever it is not behind.
    init(
        tenant: TenantID, parts: IngestService.Parts, settled: SettledBatches,
        caughtUp: @escaping @Sendable () -> Void
    ) throws {
        self.settled = settled
        self.caughtUp = caughtUp
        self.tenant = tenant
        self.parts = parts
        pushes = PushCommits(
            itemsMax: IngestService.queueItemsPerTenant, bytesMax: IngestService.queueBytesPerTenant
        ) { [store = parts.store, damage] blocks in
            let result = Result { try store.commit(pushed: blocks, of: tenant) }
            if case .failure(let error as StoreError) = result, error.code == .damaged {
                damage.isFound.store(true, ordering: .relaxed)
            }
            return result
        }
        _ = try parts.store.tenant(tenant)
        // The thread makes and owns the ingest.
        thread.withLock { $0 = WorkerThread(name: "writer-\(tenant)") { [self] in run() } }
    }

    /// The tenant could not be loaded: nothing is taken in.
    var hasFailed: Bool { failedAt.load(ordering: .acquiring) > 0 }
    /// It is time to try again, with a new writer.
    var isToBeReplaced: Bool {
        let failed = failedAt.load(ordering: .acquiring)
        return failed > 0 && parts.time.monotonicNanoseconds &- failed >= Self.retryNanoseconds
    }

    func push(_ message: OpenedMessage) -> Bool { queue.push(.message(message), bytes: message.sizeBytes) }

    var isBehind: Bool {
        let depth = queue.depth
        return depth.items > Self.behindItems || depth.bytes > Self.behindBytes
    }

    func setDesiredConfiguration(_ version: UInt64, of agent: AgentID) {
        _ = queue.push(.desiredConfiguration(version, agent))
    }

    /// Makes pushed blocks durable, here or wherever others are being committed.
    /// - Parameter done: called once, on any thread: when they are durable, or with what the store threw.
    /// - Throws: ``PushError/busy`` when too much waits; then `done` is not called.
    func write(_ blocks: [PushedBlock], _ done: @escaping @Sendable (Result<Void, any Error>) -> Void) throws {
        try pushes.add(blocks, bytes: Self.bytes(blocks), done)
    }

    private static func bytes(_ blocks: [PushedBlock]) -> Int { blocks.reduce(0) { $0 + $1.memoryBytes } }

    /// Makes pushed blocks durable on the writer's thread, and waits for that no longer than half a minute.
    /// - Throws: ``PushError/busy`` when the queue is full or the answer is late; what the store throws.
    func write(_ blocks: [PushedBlock]) throws {
        let answer = BoundedQueue<Result<Void, any Error>>(itemsMax: 1)
        guard queue.push(.pushed(blocks) { _ = answer.push($0) }, bytes: Self.bytes(blocks)) else {
            throw PushError.busy
        }
        guard let result = answer.pop(max: 1, waitMilliseconds: 30_000).first else { throw PushError.busy }
        try result.get()
    }

    /// Runs `body` on the writer's thread and waits for its answer; nil when the writer has ended.
    func look<Value: Sendable>(_ body: @escaping @Sendable (TenantIngest) -> Value) -> Value? {
        let answer = BoundedQueue<Value>(itemsMax: 1)
        guard queue.push(.look { _ = answer.push(body($0)) }) else { return nil }
        return answer.pop(max: 1, waitMilliseconds: 10_000).first
    }

    func stop() {
        queue.close()
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
        pushes.close()
    }

    /// The tenant as its files have it now.
    private func load(continuing previous: TenantIngest? = nil) -> (ingest: TenantIngest, live: LiveBlocks)? {
        do {
            let store = try parts.store.tenant(tenant)
            let ingest = try TenantIngest(
                tenant: tenant, configuration: parts.configuration, store: parts.store, generator: SecureGenerator(),
                settled: settled, continuing: previous, now: parts.time.now)
            return (ingest, LiveBlocks(tenant: tenant, feed: parts.live, store: store))
        } catch {
            parts.metrics.add("stagebox_ingest_failed_loads_total")
            parts.report("tenant \(tenant) cannot be loaded: \(error)")
            return nil
        }
    }

    private func run() {
        let time = parts.time
        guard case (var ingest, var live)? = load() else {
            failedAt.store(max(1, time.monotonicNanoseconds), ordering: .releasing)
            queue.close()
            // Whoever waits for an answer gets one.
            for case .pushed(_, let done) in queue.pop(max: .max, waitMilliseconds: 0) {
                done(.failure(PushError.busy))
            }
            return
        }
        var watched = Set<AgentID>()
        while true {
            if isStoreDamaged, let fresh = load(continuing: ingest) {
                // The damaged file was set aside: what it had settled is known no more, and must not be said to be.
                (ingest, live) = fresh
                isStoreDamaged = false
            }
            let canAcknowledge = parts.canPublish()
            let due = canAcknowledge ? ingest.nextAcknowledgementAt : nil
            let wait = due.map { max(1, min(250, $0.milliseconds(since: time.now))) } ?? 250
            let inputs = queue.pop(max: Self.messagesPerCommit, waitMilliseconds: wait)
            (ingest.configuration.retentionMilliseconds, ingest.configuration.eventRetentionMilliseconds) =
                parts.store.retentionMilliseconds(of: tenant)
            if inputs.isEmpty, queue.isFinished { break }
            if !isBehind { caughtUp() }
            var pushed: [(blocks: [PushedBlock], reply: @Sendable (Result<Void, any Error>) -> Void)] = []
            for input in inputs {
                if case .pushed(let blocks, let reply) = input {
                    pushed.append((blocks, reply))
                    continue
                }
                // What comes to a full ingest is dropped, unacknowledged.
                if ingest.isFull { commit(ingest, &live) }
                take(input, ingest)
            }
            commit(ingest, &live)
            if !pushed.isEmpty {
                let result = pushes.commitNow(pushed.flatMap(\.blocks))
                for push in pushed { push.reply(result) }
            }
            watch(ingest, &watched)
            acknowledge(ingest)
        }
        commit(ingest, &live)
        acknowledge(ingest)
    }

    private func take(_ input: Input, _ ingest: TenantIngest) {
        switch input {
        case .message(let message):
            if case .birth(let birth) = message.content { parts.born(message.agent, tenant, birth) }
            ingest.receive(message, now: parts.time.now)
            note(message)
        case .desiredConfiguration(let version, let agent):
            ingest.setDesiredConfiguration(version, of: agent, now: parts.time.now)
        case .pushed: break  // kept for a commit of their own
        case .look(let body): body(ingest)
        }
    }

    private func note(_ message: OpenedMessage) {
        switch message.content {
        case .report(let report):
            parts.metrics.add("stagebox_ingest_results_total", 1, "step", "\(report.step)")
            parts.configured(message.agent, tenant, report)
        case .commandResult(let result):
            parts.metrics.add("stagebox_ingest_command_results_total", 1, "outcome", result.outcome.name)
            parts.answered(message.agent, tenant, result)
        default: break
        }
    }

    private func commit(_ ingest: TenantIngest, _ live: inout LiveBlocks) {
        ingest.keyBundleVersion = parts.bundleVersion()
        while let commit = ingest.prepareCommit(now: parts.time.now) {
            do {
                try parts.store.commit(commit, of: tenant)
                ingest.committed(commit.number)
                live.publish(commit)
            } catch {
                parts.metrics.add("stagebox_ingest_failed_commits_total")
                ingest.failed(commit.number)
                if let error = error as? StoreError, error.code == .damaged { isStoreDamaged = true }
                return
            }
        }
    }

    private func watch(_ ingest: TenantIngest, _ watched: inout Set<AgentID>) {
        let now = Set(parts.live.watched.lazy.filter { $0.tenant == self.tenant }.map(\.agent))
        guard now != watched else { return }
        for agent in now.subtracting(watched) {
            ingest.setFlushInterval(milliseconds: Self.watchedFlushMilliseconds, of: agent, now: parts.time.now)
        }
        for agent in watched.subtracting(now) {
            ingest.setFlushInterval(milliseconds: 0, of: agent, now: parts.time.now)
        }
        watched = now
    }

    private func acknowledge(_ ingest: TenantIngest) {
        // Without a connection they stay due.
        guard parts.canPublish() else { return }
        for (agent, acknowledgement) in ingest.acknowledgements(now: parts.time.now) {
            let payload = SignedRecord.sign(
                .acknowledgement, tenant: tenant, agent: agent, record: acknowledgement, with: parts.acknowledgementKey)
            if parts.publish(AgentTopics(tenant: tenant, agent: agent).acknowledgement, payload) {
                parts.metrics.add("stagebox_ingest_acknowledgements_total")
            } else {
                ingest.notSent(acknowledgement, to: agent, now: parts.time.now)
            }
        }
    }
}
