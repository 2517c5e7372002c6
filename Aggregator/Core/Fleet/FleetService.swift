import API
import RuntimeSupport
import Sealing
import Store
import Telemetry

/// Looks at every tenant's fleet once a minute, on a thread of its own.
///
/// A minute is looked at ``graceMilliseconds`` after its end, since agents flush each ten seconds; what comes later (of a
/// node that was cut off) takes no part: that node's own findings tell of it. When a round takes longer than a minute the
/// minutes that it misses are counted, not caught up with. Cost: see ``FleetMinute``.
final class FleetService: Sendable {
    static let minuteMilliseconds: Int64 = 60_000
    static let graceMilliseconds: Int64 = 20_000

    private enum Command: Sendable { case stop }
    private let store: StoreDirectory
    private let sources: any TenantSources
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let tenants: @Sendable () -> [TenantID]
    private let report: @Sendable (String) -> Void
    private let commands = BoundedQueue<Command>(itemsMax: 1)

    init(
        store: StoreDirectory, sources: any TenantSources, time: any TimeSource, metrics: OwnMetrics,
        tenants: @escaping @Sendable () -> [TenantID], report: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.sources = sources
        self.time = time
        self.metrics = metrics
        self.tenants = tenants
        self.report = report
    }

    func start() -> WorkerThread { WorkerThread(name: "fleet") { [self] in run() } }

    func stop() { _ = commands.push(.stop) }

    /// The end of the first whole minute that is still to be looked at.
    private func nextEnd() -> Int64 {
        let now = time.now.milliseconds
        return (now - Self.graceMilliseconds) / Self.minuteMilliseconds * Self.minuteMilliseconds
            + Self.minuteMilliseconds
    }

    private func run() {
        var fleets: [TenantID: FleetTenant] = [:]
        defer {
            for (tenant, fleet) in fleets {
                do { try fleet.save() } catch { report("what was learnt of the fleet of \(tenant) is lost: \(error)") }
            }
        }
        var end = nextEnd()
        while true {
            let wait = end + Self.graceMilliseconds - time.now.milliseconds
            // In short waits, since the wall clock may be set meanwhile.
            if wait > 0 {
                guard commands.pop(max: 1, waitMilliseconds: min(wait, 5000)).isEmpty else { return }
                if end - nextEnd() > Self.minuteMilliseconds { end = nextEnd() }
                continue
            }
            let begin = time.monotonicNanoseconds
            for tenant in tenants() {
                guard commands.pop(max: 1, waitMilliseconds: 0).isEmpty else { return }
                pass(tenant, &fleets, ending: end)
            }
            metrics.set("stagebox_fleet_round_seconds", Double(time.monotonicNanoseconds - begin) / 1e9)
            let next = max(end + Self.minuteMilliseconds, nextEnd())
            let missed = next / Self.minuteMilliseconds - end / Self.minuteMilliseconds - 1
            if missed > 0 { metrics.add("stagebox_fleet_missed_minutes_total", Double(missed)) }
            end = next
        }
    }

    private func pass(_ tenant: TenantID, _ fleets: inout [TenantID: FleetTenant], ending end: Int64) {
        let name = tenant.rawValue
        do {
            var fleet = try fleets.removeValue(forKey: tenant) ?? open(tenant)
            defer { fleets[tenant] = fleet }
            let outcome = try fleet.pass(ending: end)
            metrics.set("stagebox_fleet_nodes", Double(outcome.nodeCount), "tenant", name)
            metrics.set("stagebox_fleet_series", Double(outcome.seriesCount), "tenant", name)
            metrics.set("stagebox_fleet_left_out", Double(outcome.leftOutCount), "tenant", name)
            metrics.add("stagebox_fleet_findings_total", Double(outcome.findingCount), "tenant", name)
            if outcome.nodeCount > 0 { try write(outcome.rates, tenant, at: end) }
        } catch {
            metrics.add("stagebox_fleet_failures_total", 1, "tenant", name)
            report("the fleet of \(tenant) could not be judged this minute: \(error)")
        }
    }

    private func open(_ tenant: TenantID) throws -> FleetTenant {
        try FleetTenant(store.tenant(tenant), now: time.now) {
            var generator = SecureGenerator()
            return ID128(random: &generator)
        }
    }

    /// Series beyond the tenant's limit are left out.
    private func write(_ rates: [(key: SeriesKey, value: Double)], _ tenant: TenantID, at end: Int64) throws {
        let sink = try sources.sink(of: tenant)
        var room = sink.seriesRemaining
        var write = SampleWrite()
        for (key, value) in rates {
            guard let series = sink.series.add(SeriesDescriptor(key: key, type: .gauge), room: &room) else { continue }
            write.begin(series)
            write.append(end, value)
        }
        try sink.write(write)
    }
}
