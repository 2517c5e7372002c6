import AggregatorCore
import PromQL
import Store
import Telemetry
import Testing

@Suite("Anomaly bits as a series") struct AnomalyBitsTests {
    private static let series =
        JudgedStore.gauges(["node_load1", "node_load5"])
        + [SeriesDescriptor(key: SeriesKey(name: "node_load1", labels: [Label("metric", "x")]), type: .gauge)]

    /// Ten samples of three series from each of two agents; of the first series of `a` the third and fourth are anomalous.
    private func filled() throws -> JudgedStore {
        let test = try JudgedStore(labels: ["a": [Label("region", "eu")], "b": [Label("region", "us")]])
        let seconds = Array(Int64(0)..<10)
        try test.send("a", Self.series, seconds: seconds, anomalous: [(0, 2), (0, 3), (2, 9)])
        try test.send("b", Self.series, seconds: seconds) { _, time in
            time == 5 ? StalenessMarker.value : Double(time)
        }
        return test
    }

    private func vector(_ store: TenantStore, _ query: String, at second: Int64) throws -> [String: Double] {
        let result = try QueryEngine(source: StoredSeries(store: store)).instant(
            query, at: Timestamp(milliseconds: JudgedStore.start + second * 1000))
        guard case .vector(let vector) = result.value else { return [:] }
        return Dictionary(
            uniqueKeysWithValues: zip(
                vector.labels.map { $0.labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",") }, vector.values))
    }

    @Test("a bit for each sample, with the series' labels, from level 0 and from chunks")
    func bits() throws {
        let test = try filled()
        defer { test.close() }
        for _ in 0..<2 {
            let marked = "__name__=stagebox_anomaly_bit,instance=a,metric=node_load1,region=eu"
            let name = "stagebox_anomaly_bit{metric=\"node_load1\", exported_metric=\"\", instance=\"a\"}"
            for (second, bit) in [(Int64(1), 0.0), (2, 1), (3, 1), (4, 0)] {
                #expect(try vector(test.store, name, at: second) == [marked: bit])
            }
            let both = try vector(
                test.store,
                "sum by (metric, exported_metric) (sum_over_time(stagebox_anomaly_bit{region=\"eu\"}[10s]))",
                at: 9)
            #expect(
                both == [
                    "metric=node_load1": 2, "metric=node_load5": 0, "exported_metric=x,metric=node_load1": 1,
                ])
            let rate = try vector(
                test.store, "avg by (region) (avg_over_time(stagebox_anomaly_bit{metric=~\"node_.+\"}[10s]))", at: 9)
            #expect(rate["region=eu"].map { abs($0 - 0.1) < 1e-9 } == true && rate["region=us"] == 0)
            try test.compact()
        }
    }

    @Test("a series that ended has no bit either")
    func stale() throws {
        let test = try filled()
        defer { test.close() }
        let name = "stagebox_anomaly_bit{metric=\"node_load5\", instance=\"b\"}"
        #expect(try vector(test.store, name, at: 4).count == 1)
        #expect(try vector(test.store, name, at: 5).isEmpty)
        #expect(try vector(test.store, name, at: 6).count == 1)
    }

    @Test("bits are asked for by name with a matcher that bounds them, and what is pushed has none")
    func bounds() throws {
        let test = try filled()
        defer { test.close() }
        for query in [
            "stagebox_anomaly_bit", "stagebox_anomaly_bit{region!=\"eu\"}", "stagebox_anomaly_bit{metric=~\".*\"}",
        ] {
            #expect(throws: QueryError.self) { try vector(test.store, query, at: 5) }
        }
        let pushed = test.store.pushed.add(
            SeriesDescriptor(key: SeriesKey(name: "node_load1", labels: [Label("instance", "c")]), type: .gauge))
        var write = SampleWrite()
        write.begin(pushed)
        write.append(JudgedStore.start, 1)
        try test.store.commit(pushed: try test.store.prepare(write))
        #expect(try vector(test.store, "stagebox_anomaly_bit{instance=\"c\"}", at: 5).isEmpty)
        #expect(try vector(test.store, "{__name__=~\"stagebox_anomaly_bit|nothing\"}", at: 5).isEmpty)
    }
}
