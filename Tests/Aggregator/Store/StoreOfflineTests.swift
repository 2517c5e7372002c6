import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Work on a tenant's directory") struct StoreOfflineTests {
    private static func twoDays() throws -> StoreUnderTest {
        let test = try StoreUnderTest(now: TestBlocks.start.advanced(byMilliseconds: 2 * 86_400_000))
        try test.commit(from: TestBlocks.start)
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 86_400_000))
        try test.drain()
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 90_000_000))
        return test
    }

    private static func open(_ directory: String, _ time: ManualTimeSource) throws -> TenantStore {
        try TenantStore(
            tenant: TestBlocks.tenant, directory: directory, configuration: StoreConfiguration(), time: time,
            metrics: OwnMetrics(), agentLabels: { _ in [] })
    }

    @Test("a backup of a store in use holds everything committed before, whatever moves on meanwhile")
    func backup() throws {
        let test = try Self.twoDays()
        let target = test.directory.file("backup")
        #expect(try StoreBackup.copy(test.path(""), to: target).contains("ingest.sqlite"))
        #expect(throws: StoreError.self) { _ = try StoreBackup.copy(test.path(""), to: target) }
        let expected = test.oracle
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 99_000_000))
        try test.drain()
        let restored = test.directory.file("elsewhere/acme")
        _ = try StoreBackup.restore(target, to: restored)
        let copy = try Self.open(restored, test.time)
        #expect(try TestBlocks.everything(copy) == expected)
        while try copy.compactStep(isDraining: true).didWork {}
        #expect(try TestBlocks.everything(copy) == expected)
        copy.close()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("what is deleted stays deleted in a backup")
    func deletedInBackup() throws {
        let test = try Self.twoDays()
        let matchers = try [LabelMatcher("__name__", .equal, "metric_1")]
        _ = try test.store.delete([matchers], in: .distantPast ... .distantFuture)
        test.oracle = test.oracle.filter { $0.key["__name__"] != "metric_1" }
        _ = try StoreBackup.copy(test.path(""), to: test.directory.file("backup"))
        let copy = try Self.open(test.directory.file("backup"), test.time)
        #expect(try TestBlocks.everything(copy) == test.oracle)
        try copy.cleanDeletions()
        #expect(try TestBlocks.everything(copy) == test.oracle)
        copy.close()
        test.close()
    }

    @Test("check finds nothing in a good store, and the chunk group that was damaged")
    func check() throws {
        let test = try Self.twoDays()
        let good = try StoreCheck(directory: test.path(""))
        #expect(good.findings.isEmpty)
        #expect(good.samples == 200 && good.blocks == 1 && good.series == 10 && good.rollups > 0)
        test.close()
        let database = try Database(path: test.path("metrics-20260101.sqlite"))
        try database.execute("UPDATE chunk SET body = zeroblob(length(body))")
        database.close()
        let bad = try StoreCheck(directory: test.path(""))
        #expect(bad.findings.map(\.file) == ["metrics-20260101.sqlite"])
        #expect(throws: StoreError.self) { _ = try StoreCheck(directory: test.directory.file("nothing")) }
        #expect(throws: StoreError.self) {
            _ = try StoreBackup.restore(test.path(""), to: test.directory.file("restored"))
        }
        // Reading goes on without it, and says so.
        try test.reopen()
        let midnight = TestBlocks.start.milliseconds + 86_400_000
        let expected = test.oracle.mapValues { $0.filter { $0.key >= midnight } }
        #expect(try TestBlocks.everything(test.store) == expected)
        #expect(test.store.damageReports.contains { $0.finding.contains("chunk group") })
        test.close()
    }

    @Test("an export's lines name each series with its samples, those without a number in JSON too")
    func export() throws {
        let test = try StoreUnderTest()
        var write = SampleWrite()
        let key = SeriesKey(name: "odd", labels: [Label("text", "a\"b\\c\nd")])
        write.begin(test.store.pushed.add(SeriesDescriptor(key: key, type: .gauge)))
        let start = TestBlocks.start.milliseconds
        let values = [1.5, .nan, .infinity, -.infinity, Double(bitPattern: 0x7FF0_0000_0000_0002), -0.0]
        for (index, value) in values.enumerated() { write.append(start + Int64(index), value) }
        try test.store.commit(pushed: try test.store.prepare(write))
        var cursor = try test.store.samples([], in: .distantPast ... .distantFuture)
        let series = try #require(try cursor.next())
        #expect(
            StoreExport.line(series)
                == #"{"metric":{"__name__":"odd","text":"a\"b\\c\u000ad"},"type":"gauge","timestamps":["#
                + values.indices.map { "\(start + Int64($0))" }.joined(separator: ",")
                + #"],"values":[1.5,"NaN","+Inf","-Inf","stale",-0.0]}"# + "\n")
        #expect(StoreExport.value(named: "stale")?.bitPattern == values[4].bitPattern)
        #expect(StoreExport.value(named: "x") == nil)
        test.close()
    }
}
