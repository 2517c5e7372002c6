import RuntimeSupport
import Store
import Synchronization
import Telemetry

/// Hands on the samples, findings and events of the tenants for whom that is set, each tenant's on a thread of its own.
final class ForwardService: Sendable {
    private enum Command: Sendable { case stop }
    private struct Running {
        let thread: WorkerThread
        let commands: BoundedQueue<Command>
    }
    private let settings: [TenantID: ForwardSettings]
    private let store: StoreDirectory
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let report: @Sendable (String) -> Void
    private let running = Mutex<[Running]>([])

    init(
        _ settings: [TenantID: ForwardSettings], store: StoreDirectory, time: any TimeSource, metrics: OwnMetrics,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.settings = settings
        self.store = store
        self.time = time
        self.metrics = metrics
        self.report = report
    }

    /// Starts a thread for each tenant that is set; ends the forwarding of those that are not any more. A tenant whose
    /// store does not open is reported, and keeps no other from starting.
    func start() {
        for tenant in store.tenants() where settings[tenant] == nil && store.hasForwarding(tenant) {
            do {
                let blocks = try store.tenant(tenant).endForwarding()
                report("samples of \(tenant) are not forwarded any more; \(blocks) blocks were waiting")
            } catch { report("the forwarding of \(tenant) cannot be ended: \(error)") }
        }
        for (tenant, settings) in settings.sorted(by: { $0.key < $1.key }) {
            guard RemoteWriteTarget(settings.url) != nil else { continue }
            // Now, so that nothing of what comes in goes without its turn.
            do { try store.tenant(tenant).startForwarding(settings.lanes) } catch {
                // The thread tries again; what comes before it succeeds is not handed on.
                report("forwarding of \(tenant) cannot begin yet: \(error)")
            }
            let commands = BoundedQueue<Command>(itemsMax: 1)
            let thread = WorkerThread(name: "forwarding of \(tenant)") { [self] in
                run(tenant, settings, commands)
            }
            running.withLock { $0.append(Running(thread: thread, commands: commands)) }
        }
    }

    /// All that one thread hands on of one store.
    private struct Work {
        var samples: Forwarder
        var lanes: [LaneForwarder]
        /// When each is to be looked at, samples first, milliseconds of the monotonic clock.
        private var due: [Int64]

        init(samples: Forwarder, lanes: [LaneForwarder]) {
            self.samples = samples
            self.lanes = lanes
            due = Array(repeating: 0, count: lanes.count + 1)
        }

        /// A request of each whose time has come: none waits for what another is refused.
        /// - Returns: milliseconds until the next one's.
        mutating func step(_ time: any TimeSource) throws -> Int64 {
            func now() -> Int64 { Int64(time.monotonicNanoseconds / 1_000_000) }
            for index in lanes.indices where due[index + 1] <= now() {
                due[index + 1] = try lanes[index].step() + now()
            }
            if due[0] <= now() { due[0] = try samples.step() + now() }
            return max(0, (due.min() ?? 0) - now())
        }
    }

    private func run(
        _ tenant: TenantID, _ settings: ForwardSettings, _ commands: BoundedQueue<Command>
    ) {
        guard let client = RemoteWriteClient(settings, time: time) else { return }
        var work: Work?
        var current: TenantStore?
        var told: String?
        var wait: Int64 = 0
        repeat {
            do {
                // A store that was damaged is opened anew.
                let opened = try store.tenant(tenant)
                if work == nil || current !== opened {
                    current = opened
                    work = try makeWork(opened, settings, client)
                }
                wait = try work?.step(time) ?? 0
                told = nil
            } catch {
                if told != "\(error)" { report("forwarding of \(tenant) failed: \(error)") }
                told = "\(error)"
                metrics.add("stagebox_forward_failures_total", 1, "tenant", tenant.rawValue)
                wait = Self.failureMilliseconds
            }
        } while commands.pop(max: 1, waitMilliseconds: wait).isEmpty
    }

    private func makeWork(
        _ store: TenantStore, _ settings: ForwardSettings, _ client: RemoteWriteClient
    ) throws -> Work {
        let samples = try Forwarder(store, settings, time: time, metrics: metrics, report: report) { client.send($0) }
        // Findings first: they are few, and somebody waits for them.
        let lanes = settings.lanes.sorted { $0.rawValue > $1.rawValue }.map { lane in
            LaneForwarder(lane, of: store, settings, metrics: metrics, report: report) { client.send($0, lane) }
        }
        return Work(samples: samples, lanes: lanes)
    }
    /// Before the store is tried again.
    private static let failureMilliseconds: Int64 = 5000

    /// Returns when no request is on its way any more, after the receiver's time limit at the latest.
    func stop() {
        let all = running.withLock { running in
            defer { running = [] }
            return running
        }
        for one in all { _ = one.commands.push(.stop) }
        for one in all { one.thread.join() }
    }
}
