import Detection
package import Store
package import Telemetry

/// The fleet of one tenant: each minute reads what its agents measured, judges every node among its peers, keeps what is
/// found, and says how much is anomalous.
package struct FleetTenant {
    /// `stagebox_fleet_anomaly_rate{job, region}`: of the samples of watched metrics in the minute, the share that agents
    /// judged anomalous.
    package static let rateName = "stagebox_fleet_anomaly_rate"
    /// `stagebox_fleet_metric_anomaly_rate{metric}`: the same of each metric, over all nodes.
    package static let metricRateName = "stagebox_fleet_metric_anomaly_rate"

    /// What one minute came to.
    package struct Outcome: Sendable {
        /// To be stored at the minute's end.
        package var rates: [(key: SeriesKey, value: Double)] = []
        package var nodeCount = 0
        package var seriesCount = 0
        /// Of series beyond a bound.
        package var leftOutCount = 0
        /// Opened or closed.
        package var findingCount = 0
        package init() {}
    }

    private let store: TenantStore
    private var catalog = FleetCatalog()
    private var judge: FleetJudge
    /// Reports that could not be stored yet; bounded by what is open.
    private var unsaved: [(agent: AgentID, finding: Finding)] = []
    private static let unsavedMax = 10_000

    /// Goes on where ``save()`` stood, if that is not long ago.
    /// - Throws: what reading the open findings throws.
    package init(_ store: TenantStore, now: Timestamp, makeID: @escaping () -> ID128) throws {
        self.store = store
        judge = FleetJudge(adopting: try store.openFleetFindings(), makeID: makeID)
        guard let model = FleetFile(directory: store.directory).read(now: now) else { return }
        catalog = FleetCatalog(model, at: now.milliseconds)
        judge.restore(model, catalog)
    }

    /// Keeps what is learnt.
    /// - Throws: when the file cannot be written.
    package func save() throws { try FleetFile(directory: store.directory).write(judge.model(catalog)) }

    /// - Parameter end: of the minute, milliseconds.
    /// - Throws: what the store throws; findings that could not be kept are kept with the next minute's.
    package mutating func pass(ending end: Int64) throws -> Outcome {
        let minute = try FleetMinute(of: store, ending: end, &catalog)
        var outcome = Outcome()
        outcome.nodeCount = minute.nodeCount
        outcome.seriesCount = minute.seriesCount
        outcome.leftOutCount = minute.leftOutCount + catalog.refusedCount
        let reports = judge.observe(minute.rows, ending: end, &catalog)
        outcome.findingCount = reports.count
        let shapes = FleetShapes(of: reports, catalog, store)
        for report in reports {
            var finding = report.finding
            // A finding without a picture is better than none.
            finding.shape = try? shapes.shape(of: report, ending: end, catalog)
            unsaved.append((report.agent, finding))
        }
        if unsaved.count > Self.unsavedMax { unsaved.removeFirst(unsaved.count - Self.unsavedMax) }
        if !unsaved.isEmpty { try store.put(fleet: unsaved) }
        unsaved = []
        outcome.rates = Self.rates(minute, catalog)
        if end % 3_600_000 == 0 {
            catalog.forget(before: end - FleetCatalog.idleMilliseconds)
            try save()
        }
        return outcome
    }

    private static func rates(_ minute: FleetMinute, _ catalog: FleetCatalog) -> [(key: SeriesKey, value: Double)] {
        let byPeers = minute.byPeers.sorted { ($0.key.job, $0.key.region) < ($1.key.job, $1.key.region) }.map {
            let labels = [Label("job", $0.key.job), Label("region", $0.key.region)]
            return (key: SeriesKey(name: rateName, labels: labels), value: $0.value.rate)
        }
        let byMetric = minute.byMetric.enumerated().filter { $0.element.seen > 0 }.map {
            let labels = [Label("metric", catalog.metrics[$0.offset])]
            return (key: SeriesKey(name: metricRateName, labels: labels), value: $0.element.rate)
        }
        return byPeers + byMetric
    }
}
