import AggregatorCore
import PromQL
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

/// Queries over a time whose samples are gone: rollups answer, and the answer says so.
@Suite("Queries over rollups") struct RolledSeriesTests {
    /// 2026-01-01T00:00:00Z.
    private static let start: Int64 = 1_767_225_600_000
    private static let minute: Int64 = 60_000

    /// Two days of samples each 15 s, all rolled up; then the first day's samples leave.
    private func ask(_ query: String, at minutes: Int64, rawDays: Int) throws -> (QueryResult, Double?) {
        let directory = try TemporaryDirectory()
        let time = ManualTimeSource(now: Timestamp(milliseconds: Self.start + 1500 * Self.minute))
        let stores = StoreDirectory(
            root: directory.path,
            configuration: StoreConfiguration(
                metricsRetentionDays: rawDays, fiveMinuteRetentionDays: 300, hourRetentionDays: 300), time: time)
        defer { stores.closeAll() }
        let store = try stores.tenant(TenantID(unchecked: "acme"))
        var generator = SeededGenerator(seed: 3)
        let series = store.pushed.add(
            SeriesDescriptor(key: SeriesKey(name: "grown_total", labels: []), type: .counter))
        var total = 0.0
        for day in 0..<Int64(2) {
            var write = SampleWrite()
            write.begin(series)
            for index in day * 5760..<(day + 1) * 5760 {
                total = Double.random(in: 0..<1, using: &generator) < 0.001 ? 0 : total + Double(index % 7)
                write.append(Self.start + 7 + index * 15_000, total)
            }
            try store.commit(pushed: try store.prepare(write))
            while try store.compactStep(isDraining: true).didWork {}
            if day == 0 { time.advance(milliseconds: 1440 * Self.minute) }
        }
        try store.maintain()
        var options = QueryOptions()
        // What is kept answers by itself, so that it tells what is right.
        if rawDays > 1 { options.sourceResolutionMax = 0 }
        let result = try QueryEngine(source: StoredSeries(store: store), options: options).instant(
            query, at: Timestamp(milliseconds: Self.start + minutes * Self.minute))
        guard case .vector(let vector) = result.value else { return (result, nil) }
        return (result, vector.values.first)
    }

    @Test(
        "sums, counts, means, extremes and last values are those of the samples",
        arguments: ["sum", "count", "avg", "min", "max", "last", "present"])
    func exact(_ function: String) throws {
        for (window, at) in [("2h", Int64(600)), ("1d", 1445), ("30h", 2800)] {
            let query = "\(function)_over_time(grown_total[\(window)])"
            let (kept, expected) = try ask(query, at: at, rawDays: 100)
            let (rolled, found) = try ask(query, at: at, rawDays: 1)
            #expect(kept.annotations.infos.isEmpty)
            #expect(rolled.annotations.infos.contains { $0.contains("rollups of 5m answered") }, "\(query)")
            let (left, right) = (try #require(expected), try #require(found))
            #expect(abs(left - right) <= 1e-12 * abs(left), "\(query) at \(at): \(right), not \(left)")
        }
    }

    @Test("increases are near those of the samples", arguments: ["increase", "rate"])
    func near(_ function: String) throws {
        for (window, at) in [("6h", Int64(900)), ("30h", 2800)] {
            let query = "\(function)(grown_total[\(window)])"
            let (_, expected) = try ask(query, at: at, rawDays: 100)
            let (_, found) = try ask(query, at: at, rawDays: 1)
            let (left, right) = (try #require(expected), try #require(found))
            #expect(abs(left - right) <= 0.02 * abs(left), "\(query) at \(at): \(right), not \(left)")
        }
    }
}
