import AggregatorCore
import Detection
import Store
import Telemetry
import Testing

@Suite("Anomalies ranked") struct AnomalyRankingTests {
    private static let names = ["node_load1", "node_memory_MemFree_bytes", "node_disk_io_now", "stagebox_agent_rows"]

    /// 50 minutes of two nodes, a sample each 10 s. In the last ten, of node `a` load and memory are strange in part; the
    /// disk of both was strange now and then all along.
    private func filled() throws -> JudgedStore {
        let test = try JudgedStore()
        for node in ["a", "b"] {
            for piece in 0..<Int64(5) {
                let seconds = (0..<Int64(60)).map { piece * 600 + $0 * 10 }
                var marks = stride(from: 0, to: 60, by: 6).map { (series: 2, time: $0) }
                if node == "a", piece == 4 {
                    marks += (30..<60).map { (series: 0, time: $0) } + (40..<50).map { (series: 1, time: $0) }
                }
                try test.send(node, JudgedStore.gauges(Self.names), seconds: seconds, anomalous: marks)
            }
        }
        return test
    }

    private func query(from: Int64 = 2400, to: Int64 = 3000, _ selectors: [[LabelMatcher]] = [[]]) -> AnomalyQuery {
        AnomalyQuery(
            selectors: selectors,
            window: Timestamp(
                milliseconds: JudgedStore.start + from * 1000)...Timestamp(
                    milliseconds: JudgedStore.start + to * 1000 - 1))
    }

    @Test("series, nodes, metrics and groups come in the order of how much they rose, from level 0 and from chunks")
    func order() throws {
        let test = try filled()
        defer { test.close() }
        for _ in 0..<2 {
            let ranking = try test.store.rankAnomalies(query()) {}
            #expect(ranking.seriesCount == 6)
            #expect(ranking.series.map(\.name.name).prefix(2) == ["node_load1", "node_memory_MemFree_bytes"])
            #expect(ranking.series.map { $0.name["instance"] }.prefix(2) == ["a", "a"])
            let first = try #require(ranking.series.first?.rise)
            #expect(first.within == RateRise.Count(seen: 60, happened: 30))
            #expect(first.before == RateRise.Count(seen: 240, happened: 0))
            // What is always so did not rise.
            #expect(ranking.series.filter { $0.name.name == "node_disk_io_now" }.allSatisfy { $0.rise.score < 0.5 })
            #expect(ranking.nodes.map(\.name.rawValue) == ["a", "b"])
            #expect(ranking.groups.first?.name == .cpu && ranking.metrics.first?.name == "node_load1")
            #expect(ranking.slot == 10_000)
            try test.compact()
        }
    }

    @Test("a selector leaves series out; the limit keeps the highest")
    func selection() throws {
        let test = try filled()
        defer { test.close() }
        let only = try test.store.rankAnomalies(query([[.equal("instance", "b")]])) {}
        #expect(only.seriesCount == 3 && only.series.map(\.name.name) == ["node_disk_io_now"])
        var short = query()
        short.limit = 1
        let ranking = try test.store.rankAnomalies(short) {}
        #expect(ranking.series.map(\.name.name) == ["node_load1"] && ranking.nodes.count == 1)
    }

    @Test("windows beyond the bounds are refused, and whoever checks can end it")
    func bounds() throws {
        struct Enough: Error {}
        let test = try filled()
        defer { test.close() }
        #expect(throws: AnomalyQueryError.window) { try test.store.rankAnomalies(query(from: 0, to: 59)) {} }
        #expect(throws: AnomalyQueryError.window) { try test.store.rankAnomalies(query(from: 0, to: 90_000)) {} }
        #expect(throws: AnomalyQueryError.window) {
            try test.store.rankAnomalies(AnomalyQuery(window: .distantPast ... .distantFuture)) {}
        }
        #expect(throws: Enough.self) { try test.store.rankAnomalies(query()) { throw Enough() } }
    }
}
