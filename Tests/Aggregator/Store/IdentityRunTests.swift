import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing

/// How the ids of events are kept: sorted runs, merged as they become many.
@Suite(.serialized, .ownThread) struct IdentityRunTests {
    private func event(_ number: Int, second: Int = 0, revision: UInt32 = 0) -> ListeningEvent {
        let at = TestBlocks.start.advanced(byMilliseconds: Int64(second) * 1000)
        var event = ListeningEvent(id: "play-\(number)", kind: .play, revision: revision, at: at, receivedAt: at)
        event[.track] = "track-\(number % 50)"
        return event
    }

    private func commit(_ events: [ListeningEvent], to test: StoreUnderTest) throws {
        test.number += 1
        var commit = IngestCommit(number: test.number, at: test.time.now)
        commit.blocks = [test.agent.events(events, at: test.time.now)]
        commit.dedup = [test.agent.dedup(through: test.agent.sequence, at: test.time.now)]
        try test.store.commit(commit)
    }

    private func database(_ test: StoreUnderTest) throws -> Database {
        try Database(path: test.path("events.sqlite"), configuration: DatabaseConfiguration())
    }

    private func integer(_ text: String, _ test: StoreUnderTest) throws -> Int64 {
        let database = try database(test)
        defer { database.close() }
        return try database.integer(text) ?? 0
    }

    @Test("runs are merged, so that many steps leave few, and every id stays known")
    func merged() throws {
        let test = try StoreUnderTest()
        for step in 0..<100 {
            try commit((0..<40).map { event(step * 40 + $0) } + [event(step * 20)], to: test)
            try test.drain()
        }
        #expect(try integer("SELECT count(*) FROM identity_run", test) < 16)
        #expect(try integer("SELECT sum(count) FROM identity_run", test) == 4000)
        try commit((0..<4000).map { event($0) } + [event(4000)], to: test)
        #expect(try TestBlocks.events(test.store).count == 4001)
        test.close()
        try test.reopen()
        try commit((0..<4001).map { event($0, revision: 1) }, to: test)
        let found = try TestBlocks.events(test.store)
        #expect(found.count == 4001 && found.allSatisfy { $0.revision == 1 })
        #expect(try TestBlocks.events(test.store, includesHistory: true).count == 8002)
        test.close()
    }

    @Test("large blocks stay as they came but for what was there already")
    func large() throws {
        let test = try StoreUnderTest()
        try commit((0..<2000).map { event($0) }, to: test)
        try commit((1500..<3500).map { event($0) }, to: test)
        try commit((0..<2000).map { event($0, revision: $0 % 3 == 0 ? 1 : 0) }, to: test)
        try commit((3000..<4000).map { event($0) } + (3000..<4000).map { event($0, revision: 2) }, to: test)
        for _ in 0..<2 {
            let found = try TestBlocks.events(test.store)
            #expect(found.count == 4000 && Set(found.map(\.id)).count == 4000)
            for event in found {
                let number = try #require(Int(event.id.dropFirst(5)))
                #expect(event.revision == (number < 2000 ? (number % 3 == 0 ? 1 : 0) : number < 3000 ? 0 : 2))
                #expect(event[.track] == "track-\(number % 50)")
            }
            test.close()
            try test.reopen()
        }
        test.close()
    }

    @Test("a file of the first version, with a row for each id, goes on as it was")
    func converted() throws {
        let test = try StoreUnderTest()
        try commit((0..<1500).map { event($0) }, to: test)
        try commit((1000..<2000).map { event($0) }, to: test)
        try test.drain()
        test.close()
        let file = try database(test)
        try file.execute("CREATE TABLE identity(hash INTEGER PRIMARY KEY, place INTEGER NOT NULL) STRICT")
        let insert = try file.statement("INSERT INTO identity(hash, place) VALUES (?1, ?2)")
        let pages = try file.statement("SELECT hashes, places FROM identity_page")
        func number(_ bytes: ArraySlice<UInt8>) -> Int64 { bytes.reversed().reduce(0) { $0 << 8 | Int64($1) } }
        while try pages.step() {
            let (hashes, places) = (pages.blob(0), pages.blob(1))
            for start in stride(from: 0, to: hashes.count, by: 8) {
                try insert.bind(1, number(hashes[start..<start + 8]))
                try insert.bind(2, number(places[start..<start + 8]))
                try insert.run()
            }
        }
        try file.execute("DROP TABLE identity_run; DROP TABLE identity_page; PRAGMA user_version=1")
        file.close()
        try test.reopen()
        #expect(try integer("SELECT sum(count) FROM identity_run", test) == 2000)
        #expect(try integer("SELECT count(*) FROM sqlite_master WHERE name = 'identity'", test) == 0)
        try commit((500..<2500).map { event($0) }, to: test)
        #expect(try TestBlocks.events(test.store).count == 2500)
        test.close()
    }

    @Test("ids of batches that are gone go, too")
    func trimmed() throws {
        let test = try StoreUnderTest(StoreConfiguration(eventsRetentionDays: 1))
        try commit((0..<3000).map { event($0) }, to: test)
        try test.drain()
        try commit((3000..<3600).map { event($0, second: 200_000) }, to: test)
        try test.drain()
        #expect(try integer("SELECT sum(count) FROM identity_run", test) == 3600)
        test.time.advance(milliseconds: 200_000_000)
        try test.store.maintain()
        #expect(try integer("SELECT sum(count) FROM identity_run", test) == 600)
        #expect(try TestBlocks.events(test.store).count == 600)
        test.close()
    }

    @Test("small blocks whose texts are too long for one block together are filed all the same")
    func longTexts() throws {
        let test = try StoreUnderTest()
        for step in 0..<30 {
            try commit(
                (0..<100).map { index in
                    var event = event(step * 100 + index)
                    for text in [EventText.title, .artist, .release, .genres] {
                        event[text] = "\(step * 100 + index)" + String(repeating: "x", count: 480)
                    }
                    return event
                }, to: test)
        }
        #expect(try TestBlocks.events(test.store).count == 3000)
        test.close()
    }

    @Test("a damaged page costs what it knew, and nothing else")
    func damaged() throws {
        let test = try StoreUnderTest()
        for step in 0..<10 {
            try commit((0..<700).map { event(step * 700 + $0) }, to: test)
            try test.drain()
        }
        test.close()
        let file = try database(test)
        try file.execute("UPDATE identity_page SET hashes = randomblob(77) WHERE id % 3 = 0")
        try file.execute("UPDATE identity_page SET places = randomblob(13) WHERE id % 3 = 1")
        try file.execute("UPDATE identity_run SET first = 99, bits = 77 WHERE id % 2 = 0")
        file.close()
        try test.reopen()
        for step in 0..<20 {
            try commit((7000..<7100).map { event(step * 100 + $0) }, to: test)
            try test.drain()
        }
        #expect(Set(try TestBlocks.events(test.store).map(\.id)).count == 9000)
        test.close()
    }
}
