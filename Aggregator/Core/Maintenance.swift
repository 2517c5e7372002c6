import Access
import Ingest
import MQTT
import RuntimeSupport
import Store
import Telemetry
import WireFormat

/// Background work on a thread of its own: compaction, retention, key rotation.
final class Maintenance: Sendable {
    private enum Command: Sendable { case stop }
    static let limitsMilliseconds: Int64 = 2000
    static let upkeepMilliseconds: Int64 = 300_000
    static let rotationMilliseconds: Int64 = 3_600_000

    private let commands = BoundedQueue<Command>(itemsMax: 1)
    private let store: StoreDirectory
    private let limits: LimitsFile
    private let keys: KeyDirectory
    private let records: FileKeyRecordStore
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let publishBundle: @Sendable () -> Void
    private let report: @Sendable (String) -> Void

    init(
        store: StoreDirectory, limits: LimitsFile, keys: KeyDirectory, records: FileKeyRecordStore,
        time: any TimeSource, metrics: OwnMetrics,
        publishBundle: @escaping @Sendable () -> Void, report: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.limits = limits
        self.keys = keys
        self.records = records
        self.time = time
        self.metrics = metrics
        self.publishBundle = publishBundle
        self.report = report
    }

    func start() -> WorkerThread { WorkerThread(name: "maintenance") { [self] in run() } }

    func stop() { _ = commands.push(.stop) }

    private func run() {
        var nextLimits = now
        var nextUpkeep = now + Self.upkeepMilliseconds
        var nextRotation = now + Self.rotationMilliseconds
        var rest = CompactionPace.idleMilliseconds
        while commands.pop(max: 1, waitMilliseconds: rest).isEmpty {
            let began = now
            let round = attempt("compaction") { try store.compactRound() } ?? TenantStore.CompactionResult()
            if !round.didWork, rest != CompactionPace.idleMilliseconds { FreedMemory.release() }
            rest = CompactionPace.rest(after: round, milliseconds: now - began)
            if now >= nextLimits {
                attempt("limits.conf") { try limits.load(into: store) }
                nextLimits = now + Self.limitsMilliseconds
            }
            if now >= nextUpkeep {
                attempt("upkeep") { try store.maintain() }
                metrics.set("stagebox_ingest_key_records_refused_count", Double(records.refusedCount))
                nextUpkeep = now + Self.upkeepMilliseconds
            }
            if now >= nextRotation {
                if attempt("key rotation", { try keys.rotate(now: time.now) }) == true { publishBundle() }
                attempt("key records") {
                    try records.removeDays(before: time.now.milliseconds / 86_400_000 - keys.recordDays)
                }
                nextRotation = now + Self.rotationMilliseconds
            }
        }
    }

    private var now: Int64 { Int64(time.monotonicNanoseconds / 1_000_000) }

    @discardableResult
    private func attempt<Value>(_ what: String, _ body: () throws -> Value) -> Value? {
        do { return try body() } catch {
            metrics.add("stagebox_maintenance_failures_total", 1, "work", what)
            report("\(what) failed: \(error)")
            return nil
        }
    }
}
