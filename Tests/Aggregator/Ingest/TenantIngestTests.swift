import Ingest
import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("tenant ingest")
struct TenantIngestTests {
    @Test("nothing is acknowledged before its commit is durable")
    func acknowledgedMeansCommitted() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        bench.turn()
        bench.store.failures = 2
        agent.send(try agent.metrics(1))
        #expect(bench.turn().allSatisfy { $0.settled.allSatisfy { $0.contiguous == 0 } })
        agent.send(try agent.metrics(2))
        bench.turn()
        #expect(bench.store.blockCount == 0)
        let acknowledgement = try #require(bench.turn().last)
        #expect(acknowledgement.settled.map(\.contiguous) == [2])
        #expect(acknowledgement.runningEpoch == agent.epoch)
        #expect(bench.store.blockCount == 2 && bench.store.repeatedBlocks == 0)
        #expect(bench.ingest.statistics.failedCommits == 2)
    }

    @Test("what an acknowledgement says that could not be sent is said again")
    func notSent() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        bench.send(.birth, agent.birth(), from: agent)
        agent.send(try agent.keyBatch())
        agent.send(try agent.metrics(1))
        let asking = try #require(bench.turn().last)
        #expect(asking.needsTables == [TestAgent.tableHash])
        bench.ingest.notSent(asking, to: agent.id, now: bench.time.now)
        #expect(bench.turn().last?.needsTables == [TestAgent.tableHash])
        agent.send(try agent.tableBatch())
        agent.send(try agent.metrics(1))
        let settling = try #require(bench.turn().last)
        #expect(settling.settled.map(\.contiguous) == [1])
        bench.ingest.notSent(settling, to: agent.id, now: bench.time.now)
        #expect(bench.turn().last?.settled == settling.settled)
        #expect(bench.turn().isEmpty)
    }

    @Test("a commit of unknown outcome comes again without counting twice")
    func unknownOutcome() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        bench.store.failures = 1
        bench.store.isOutcomeUnknown = true
        agent.send(try agent.metrics(1))
        bench.turn()
        bench.turn()
        #expect(bench.lane(agent)?.counts.committed == LedgerCount(batches: 1, records: 3))
        #expect(bench.store.blockCount == 1)
    }

    @Test("R14: everything replayed three times, in any order, counts the same")
    func replay() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        var payloads: [[UInt8]] = []
        for sequence in 1...60 as ClosedRange<UInt64> {
            payloads.append(sequence % 7 == 0 ? try agent.events(sequence) : try agent.metrics(sequence))
        }
        payloads.append(
            try agent.loss(
                1,
                [
                    LossRecord(
                        laneKey: LaneKey(epoch: agent.epoch, lane: .live), sequences: 61...64,
                        count: LedgerCount(batches: 4, records: 12), reason: .bufferFull)
                ]))
        payloads.append(try agent.seal(.metrics, 65, body: [9, 9]))
        for payload in payloads { agent.send(payload) }
        bench.turn()
        let before = bench.ingest.ledger().map { $0.counts.total }
        let committed = bench.lane(agent)?.counts.committed
        #expect(committed == LedgerCount(batches: 60, records: 180))
        var generator = SeededGenerator(seed: 1)
        for round in 0..<3 {
            if round == 2 { try bench.restart() }
            for payload in payloads.shuffled(using: &generator) { agent.send(payload, route: .backfill) }
            bench.turn()
        }
        #expect(bench.ingest.ledger().map { $0.counts.total } == before)
        #expect(bench.lane(agent)?.counts.committed == committed)
        #expect(bench.store.blockCount == 60 && bench.store.repeatedBlocks == 0)
        #expect(bench.lane(agent)?.settled.contiguous == 65)
        for state in bench.ingest.ledger() { #expect(state.settled.count == state.counts.total.batches) }
    }

    @Test("R15: a poison batch is parked and settled, and what follows goes through")
    func poison() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.send(try agent.metrics(1))
        agent.send(try agent.seal(.metrics, 2, body: [0xff, 0xff, 0xff]))
        agent.send(try agent.metrics(3, series: 200))
        agent.send(try agent.metrics(4))
        let acknowledgement = try #require(bench.turn().last)
        #expect(acknowledgement.settled.map(\.contiguous) == [4])
        #expect(acknowledgement.rejections.map(\.key.sequence) == [2, 3])
        #expect(acknowledgement.rejections.allSatisfy { $0.isFinal })
        #expect(bench.store.parked.map(\.key?.sequence) == [2, 3])
        #expect(bench.lane(agent)?.counts.rejectedTotal == LedgerCount(batches: 2, records: 6))
    }

    @Test("bytes that anybody could have made settle nothing and are asked for again")
    func forged() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        var forged = try agent.metrics(1)
        forged[forged.count - 1] ^= 1
        agent.send(forged)
        let acknowledgement = try #require(bench.turn().last)
        #expect(
            acknowledgement.rejections == [
                Acknowledgement.Rejection(
                    key: BatchKey(epoch: agent.epoch, lane: .live, sequence: 1), code: .notAuthentic, isFinal: false)
            ])
        #expect(bench.lane(agent)?.settled.contiguous ?? 0 == 0)
        agent.send(try agent.metrics(1))
        #expect(bench.turn().last?.settled.map(\.contiguous) == [1])
    }

    @Test("a block waits for its table at most one second; the table is asked for once per 30 s")
    func needsTable() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        bench.send(.birth, agent.birth(), from: agent)
        agent.send(try agent.keyBatch())
        bench.turn()
        agent.send(try agent.metrics(1))
        #expect(bench.turn().last?.needsTables == [TestAgent.tableHash])
        agent.send(try agent.tableBatch())
        #expect(bench.turn().last?.settled.map(\.contiguous) == [1])

        let other = bench.agent("edge-02")
        try other.connect()
        let late = bench.agent("edge-03")
        bench.send(.birth, late.birth(), from: late)
        late.send(try late.keyBatch())
        late.send(try late.metrics(1))
        #expect(bench.turn().contains { $0.needsTables == [TestAgent.tableHash] })
        bench.time.advance(milliseconds: 1001)
        late.send(try late.metrics(1))
        #expect(bench.turn().allSatisfy { $0.needsTables.isEmpty })
        #expect(bench.ingest.statistics[.tableMissing] == 1)
        bench.time.advance(milliseconds: 30_000)
        late.send(try late.metrics(1))
        #expect(bench.turn().contains { $0.needsTables == [TestAgent.tableHash] })
        late.send(try late.tableBatch())
        bench.turn()
        #expect(bench.lane(late)?.counts.committed.batches == 1)
    }

    @Test("blocks waiting for tables are bounded in bytes")
    func waitingBound() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.send(try agent.keyBatch())
        let big =
            PlainBodies.metrics([TestAgent.tableHash], series: 1, samples: 3) + [UInt8](repeating: 0, count: 200_000)
        for sequence in 1...40 as ClosedRange<UInt64> { agent.send(try agent.seal(.metrics, sequence, body: big)) }
        #expect(bench.ingest.statistics[.tableMissing] >= 18)
    }

    @Test("a batch under an unknown key is forgotten, the key asked for, and then it counts")
    func needsKey() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        bench.send(.birth, agent.birth(), from: agent)
        bench.turn()
        let payload = try agent.events(1)
        agent.send(payload)
        let id = try BatchHeader(decodingPrefixOf: payload).dataKeyID
        #expect(bench.turn().last?.needsKeys == [id])
        agent.send(payload)
        #expect(bench.turn().allSatisfy { $0.needsKeys.isEmpty })
        agent.send(try agent.keyBatch())
        agent.send(payload)
        #expect(bench.turn().last?.settled.map(\.contiguous) == [1])
    }

    @Test("R32: after a restart no birth, table or key has to come again")
    func restart() throws {
        let bench = try IngestBench()
        let agents = (1...5).map { bench.agent("edge-\($0)") }
        for agent in agents {
            try agent.connect()
            agent.send(try agent.metrics(1))
        }
        bench.turn()
        let counters = bench.acknowledgements.map(\.acknowledgement.counter)
        try bench.restart()
        #expect(bench.turn().isEmpty)
        for agent in agents { agent.send(try agent.metrics(1)) }
        #expect(bench.turn().map { $0.settled.map(\.contiguous) } == [[1], [1], [1], [1], [1]])
        #expect(bench.ingest.statistics.duplicates == 5)
        for agent in agents { agent.send(try agent.metrics(2)) }
        let made = bench.turn()
        #expect(made.count == 5)
        for acknowledgement in made {
            #expect(
                !acknowledgement.needsBirth && acknowledgement.needsTables.isEmpty && acknowledgement.needsKeys.isEmpty)
            #expect(acknowledgement.settled.map(\.contiguous) == [2])
            #expect(acknowledgement.counter > counters.max() ?? 0)
        }
        #expect(bench.ingest.fleet.allSatisfy { $0.isOnline && $0.birth != nil })
    }

    @Test("an unknown agent's data is taken and a birth asked for, every 30 s")
    func needsBirth() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.send(try agent.keyBatch())
        agent.send(try agent.events(1))
        #expect(bench.turn().map(\.needsBirth) == [true])
        agent.send(try agent.events(2))
        #expect(bench.turn().map(\.needsBirth) == [false])
        bench.time.advance(milliseconds: 30_000)
        agent.send(try agent.events(3))
        #expect(bench.turn().map(\.needsBirth) == [true])
    }

    @Test("samples from an unsynchronised or fast clock are quarantined, counted, and get a reference later")
    func clocks() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.isClockSynchronized = false
        agent.clockOffsetMilliseconds = -50 * 365 * 86_400_000
        agent.send(try agent.metrics(1))
        agent.isClockSynchronized = true
        agent.clockOffsetMilliseconds = 300_001
        agent.send(try agent.metrics(2))
        agent.clockOffsetMilliseconds = 300_000
        bench.turn()
        #expect(bench.lane(agent)?.counts.committed.batches == 2)
        #expect(bench.lane(agent)?.counts.quarantined.batches == 2)
        #expect(bench.store.blocks[agent.id.rawValue]?.values.allSatisfy(\.isQuarantined) == true)
        let before = bench.store.clockReferences.count
        agent.clockOffsetMilliseconds = 0
        agent.send(try agent.metrics(3))
        bench.turn()
        #expect(bench.store.clockReferences.count == before + 1)
        #expect(bench.store.clockReferences.last?.bootID == agent.epoch)
        #expect(bench.lane(agent)?.counts.quarantined.batches == 2)
    }

    @Test("data beyond retention is finally rejected as too old")
    func tooOld() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.clockOffsetMilliseconds = -401 * 86_400_000
        agent.send(try agent.metrics(1))
        #expect(bench.turn().last?.rejections.map(\.code) == [.tooOld])
        #expect(bench.lane(agent)?.settled.contiguous == 1)
    }

    @Test("more than 1,024 ranges, or 128 epochs in a day, stay unacknowledged and uncounted")
    func bounds() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        for index in 1...UInt64(IngestLimits.rangesMax + 5) { agent.send(try agent.events(index * 2)) }
        bench.turn()
        #expect(bench.lane(agent)?.counts.committed.batches == UInt64(IngestLimits.rangesMax))
        #expect(bench.ingest.statistics[.rangesFull] == 5)
        let acknowledgement = bench.acknowledgements.last?.acknowledgement
        #expect(acknowledgement?.settled.reduce(0) { $0 + $1.ranges.count } == WireLimits.acknowledgedRangesMax)
        agent.send(try agent.events(1))
        let ranges = try #require(bench.turn().last?.settled.first)
        #expect(ranges.contiguous == 2)

        for epoch in 2...140 as ClosedRange<UInt64> {
            let later = agent.again(epoch: epoch)
            later.send(try later.keyBatch())
            later.send(try later.events(1))
        }
        bench.turn()
        #expect(bench.ingest.statistics[.epochsFull] == 12)
        bench.time.advance(milliseconds: 86_400_000)
        let tomorrow = agent.again(epoch: 139)
        tomorrow.send(try tomorrow.keyBatch())
        tomorrow.send(try tomorrow.events(1))
        bench.turn()
        #expect(bench.lane(tomorrow)?.counts.committed.batches == 1)
    }

    @Test("ranges around what came last are acknowledged first")
    func touchedFirst() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        for index in 1...200 as ClosedRange<UInt64> { agent.send(try agent.events(index * 2)) }
        bench.turn()
        agent.send(try agent.events(301))
        let ranges = try #require(bench.turn().last?.settled.first?.ranges)
        #expect(ranges.count == 64 && ranges.contains(300...302))
    }
}
