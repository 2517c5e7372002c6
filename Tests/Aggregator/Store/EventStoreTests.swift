import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

@Suite(.serialized, .ownThread) struct EventStoreTests {
    private func event(_ id: String, _ second: Int64, revision: UInt32 = 0, kind: EventKind = .play) -> ListeningEvent {
        let at = TestBlocks.start.advanced(byMilliseconds: second * 1000)
        var event = ListeningEvent(id: id, kind: kind, revision: revision, at: at, receivedAt: at)
        event[.track] = "track-\(id)"
        event[.millisecondsPlayed] = Int64(revision) * 1000
        return event
    }

    private func commit(_ events: [ListeningEvent], to test: StoreUnderTest) throws {
        test.number += 1
        var commit = IngestCommit(number: test.number, at: test.time.now)
        commit.blocks = [test.agent.events(events, at: test.time.now)]
        commit.dedup = [test.agent.dedup(through: test.agent.sequence, at: test.time.now)]
        try test.store.commit(commit)
    }

    @Test("an event counts once by id; a higher revision supersedes, a lower one is history")
    func revisions() throws {
        let test = try StoreUnderTest()
        try commit([event("a", 1), event("b", 2), event("a", 1)], to: test)
        #expect(Set(try TestBlocks.events(test.store)) == [event("a", 1), event("b", 2)])
        try commit([event("a", 5, revision: 2), event("b", 2), event("c", 3)], to: test)
        try commit([event("a", 4, revision: 1), event("d", 9, revision: 1), event("d", 8)], to: test)
        let current = [event("a", 5, revision: 2), event("b", 2), event("c", 3), event("d", 9, revision: 1)]
        for _ in 0..<2 {
            let found = try TestBlocks.events(test.store)
            #expect(Set(found) == Set(current))
            #expect(found.count == current.count)
            let history = try TestBlocks.events(test.store, includesHistory: true)
            #expect(Set(history) == Set(current + [event("a", 1), event("a", 4, revision: 1), event("d", 8)]))
            #expect(history.count == 7)
            test.close()
            try test.reopen()
        }
        test.close()
    }

    @Test("exports filter by time and kind")
    func filters() throws {
        let test = try StoreUnderTest()
        try commit((0..<100).map { event("e\($0)", Int64($0), kind: $0 % 2 == 0 ? .play : .save) }, to: test)
        func at(_ second: Int64) -> Timestamp { TestBlocks.start.advanced(byMilliseconds: second * 1000) }
        var cursor = try test.store.events(in: at(10)...at(19), kinds: [.save])
        var found: [ListeningEvent] = []
        while let next = try cursor.next() { found += next }
        #expect(found.map(\.id) == ["e11", "e13", "e15", "e17", "e19"])
        test.close()
    }

    @Test("a crash after the events moved doubles none, and a replay of all batches adds none")
    func crash() throws {
        let test = try StoreUnderTest()
        for batch in 0..<5 { try commit((0..<50).map { event("e\(batch * 50 + $0)", Int64($0)) }, to: test) }
        test.store.faults.stop(at: .afterEvents)
        #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
        test.close()
        try test.reopen()
        #expect(try TestBlocks.events(test.store).count == 250)
        try commit((0..<250).map { event("e\($0)", Int64($0 % 50)) }, to: test)
        #expect(try TestBlocks.events(test.store).count == 250)
        test.close()
    }

    @Test("random events, revisions and restarts agree with a dictionary", arguments: 1...6)
    func model(seed: UInt64) throws {
        let test = try StoreUnderTest()
        var generator = SeededGenerator(seed: seed)
        var oracle: [String: ListeningEvent] = [:]
        for _ in 0..<40 {
            let events = (0..<Int.random(in: 1...200, using: &generator)).map { _ in
                let number = Int64.random(in: 0..<2000, using: &generator)
                return event("id-\(number)", number, revision: UInt32.random(in: 0...3, using: &generator))
            }
            for event in events where oracle[event.id].map({ $0.revision < event.revision }) ?? true {
                oracle[event.id] = event
            }
            try commit(events, to: test)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0:
                test.close()
                try test.reopen()
            case 1: try test.drain()
            case 2:
                test.store.faults.stop(at: .afterEvents)
                #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
                test.close()
                try test.reopen()
            default: break
            }
        }
        let found = try TestBlocks.events(test.store)
        #expect(found.count == oracle.count, "seed \(seed)")
        #expect(Set(found) == Set(oracle.values), "seed \(seed)")
        test.close()
    }

    @Test("events beyond retention go, and their ids are free again")
    func retention() throws {
        let test = try StoreUnderTest(StoreConfiguration(eventsRetentionDays: 1))
        try commit([event("old", 0)], to: test)
        try test.drain()
        try commit([event("new", 200_000)], to: test)
        try test.drain()
        test.time.advance(milliseconds: 200_000_000)
        try test.store.maintain()
        #expect(try TestBlocks.events(test.store).map(\.id) == ["new"])
        try commit([event("old", 0)], to: test)
        #expect(try TestBlocks.events(test.store).map(\.id).sorted() == ["new", "old"])
        test.close()
    }
}
