import Glibc
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing

@Suite struct DamageTests {
    private func ruin(_ path: String, from offset: Int = 0) throws {
        var bytes = try Files.read(path)
        for index in stride(from: offset, to: bytes.count, by: 3) { bytes[index] = 0xA5 }
        try Files.write(bytes, to: path)
    }

    /// Two days, both merged.
    private func twoDays() throws -> StoreUnderTest {
        let test = try StoreUnderTest(now: TestBlocks.start.advanced(byMilliseconds: 2 * 86_400_000))
        try test.commit(from: TestBlocks.start)
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 86_400_000))
        try test.drain()
        test.close()
        return test
    }

    @Test("a damaged day file costs that day only, is set aside and reported")
    func dayFile() throws {
        let test = try twoDays()
        try ruin(test.path("metrics-20260101.sqlite"))
        try test.reopen()
        let midnight = TestBlocks.start.milliseconds + 86_400_000
        let expected = test.oracle.mapValues { $0.filter { $0.key >= midnight } }
        #expect(try TestBlocks.everything(test.store) == expected)
        #expect(test.store.damageReports.contains { $0.file == "metrics-20260101.sqlite" })
        #expect(!Database.quarantined(test.path("metrics-20260101.sqlite")).isEmpty)
        // The day can be written again.
        test.oracle = expected
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 30_000))
        try test.drain()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("a lost or damaged index is rebuilt from the series tables with the same ids")
    func indexFile() throws {
        let test = try twoDays()
        try ruin(test.path("index.sqlite"))
        try test.reopen()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        #expect(test.store.damageReports.map(\.file) == ["index.sqlite"])
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 90_000_000))
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        #expect(test.store.damageReports.isEmpty)
        test.close()
    }

    @Test("a damaged ingest file is set aside; chunks, series and events stay, commits go on")
    func ingestFile() throws {
        let test = try twoDays()
        try ruin(test.path("ingest.sqlite"), from: 100)
        try test.reopen()
        #expect(test.store.damageReports.map(\.file) == ["ingest.sqlite"])
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        #expect(test.store.ledger().isEmpty)
        test.agent.sequence = 0
        try test.commit(from: TestBlocks.start)
        try test.drain()
        // A replay of what was stored before merges by time.
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(0)]?.count == 20)
        test.close()
    }

    @Test("every file with a torn first page opens as new")
    func torn() throws {
        for name in ["ingest.sqlite", "index.sqlite"] {
            let test = try twoDays()
            try Files.write(Array(try Files.read(test.path(name)).prefix(1000)), to: test.path(name))
            try test.reopen()
            #expect(test.store.damageReports.map(\.file) == [name])
            try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 500_000))
            test.close()
        }
    }
}
