import Ingest
import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("births, clones, rewound buffers, connection states")
struct BirthTests {
    private func state(_ isOnline: Bool, _ counter: UInt64) -> [UInt8] {
        ConnectionState(isOnline: isOnline, sessionCounter: counter).encoded()
    }

    @Test("R26: two epochs that both sign a fresh challenge are a clone; both go on")
    func clone() throws {
        let bench = try IngestBench()
        let first = bench.agent(epoch: 1)
        try first.connect()
        bench.turn()
        let second = first.again(epoch: 2)
        second.sessionCounter = 2
        try second.connect()
        let asked = bench.turn()
        let challenge = try #require(asked.last?.challenge)
        #expect(challenge != .zero)
        #expect(asked.map(\.needsBirth) == [true, true])
        #expect(Set(asked.map(\.runningEpoch)) == [first.epoch, second.epoch])
        second.sessionCounter = 3
        bench.send(.birth, second.birth(challenge: challenge), from: second)
        #expect(bench.ingest.statistics.clones == 0)
        first.sessionCounter = 2
        bench.send(.birth, first.birth(challenge: challenge), from: first)
        #expect(bench.ingest.statistics.clones == 1)
        #expect(bench.ingest.fleet(of: first.id)?.cloneSeenAt == bench.time.now)

        first.send(try first.keyBatch())
        first.send(try first.metrics(1))
        second.send(try second.metrics(1))
        let made = bench.turn()
        #expect(Set(made.map(\.runningEpoch)) == [first.epoch, second.epoch])
        #expect(Set(made.map(\.counter)).count == made.count)
        #expect(bench.store.blockCount == 2)
    }

    @Test("a start whose birth the broker lost is asked for it again")
    func lostBirth() throws {
        let bench = try IngestBench()
        let first = bench.agent(epoch: 1)
        try first.connect()
        bench.turn()
        let second = first.again(epoch: 2)
        second.sessionCounter = 2
        second.send(try second.keyBatch())
        second.send(try second.metrics(1))
        let asked = try #require(bench.turn().last)
        #expect(asked.needsBirth)
        #expect(asked.settled.map(\.laneKey.epoch) == [second.epoch])
        bench.send(.birth, second.birth(nextLive: 2), from: second)
        bench.time.advance(milliseconds: IngestLimits.requestMillisecondsMin)
        bench.turn()
        second.send(try second.metrics(2))
        let told = try #require(bench.turn().last)
        #expect(told.runningEpoch == second.epoch)
        #expect(!told.needsBirth || told.challenge != .zero)
    }

    @Test("R26: a restart is no clone, whatever the broker replays")
    func restartIsNoClone() throws {
        let bench = try IngestBench()
        let first = bench.agent(epoch: 1)
        var births: [[UInt8]] = [first.birth()]
        bench.send(.birth, births[0], from: first)
        var challenge = ID128.zero
        for epoch in 2...6 as ClosedRange<UInt64> {
            let next = first.again(epoch: epoch)
            next.sessionCounter = epoch
            births.append(next.birth())
            bench.send(.birth, births.last ?? [], from: next)
            for _ in 0..<3 {
                challenge = bench.turn().last?.challenge ?? challenge
                bench.time.advance(milliseconds: 2000)
            }
            next.sessionCounter += 1
            births.append(next.birth(challenge: challenge))
            bench.send(.birth, births.last ?? [], from: next)
            for birth in births { bench.send(.birth, birth, from: next) }
            bench.turn()
        }
        #expect(bench.ingest.statistics.clones == 0)
        #expect(bench.ingest.fleet(of: first.id)?.birth?.runningEpoch == ID128(high: 0xe0, low: 6))
    }

    @Test("a birth that signs a challenge older than ten minutes proves nothing")
    func staleChallenge() throws {
        let bench = try IngestBench()
        let first = bench.agent(epoch: 1)
        try first.connect()
        let second = first.again(epoch: 2)
        second.sessionCounter = 2
        try second.connect()
        let challenge = try #require(bench.turn().last?.challenge)
        bench.send(.birth, second.birth(challenge: challenge), from: second)
        bench.time.advance(milliseconds: IngestLimits.challengeMillisecondsMax + 1)
        first.sessionCounter = 9
        bench.send(.birth, first.birth(challenge: challenge), from: first)
        #expect(bench.ingest.statistics.clones == 0)
    }

    @Test(
        "a buffer behind what is settled is rewound once a fresh challenge says so; then its new sequences are refused")
    func rewound() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        for sequence in 1...10 as ClosedRange<UInt64> { agent.send(try agent.metrics(sequence)) }
        bench.turn()
        // The restored image: same epoch, an older session counter, its next sequence is 6.
        agent.sessionCounter = 1
        bench.send(.birth, agent.birth(nextLive: 6), from: agent)
        #expect(bench.ingest.statistics.rewound == 0)
        agent.sessionCounter = 2
        bench.send(.birth, agent.birth(nextLive: 6), from: agent)
        let challenge = try #require(bench.turn().last?.challenge)
        #expect(challenge != .zero && bench.ingest.statistics.rewound == 0)
        agent.sessionCounter = 3
        bench.send(.birth, agent.birth(challenge: challenge, nextLive: 6), from: agent)
        #expect(bench.ingest.statistics.rewound == 1)
        agent.send(try agent.metrics(6))
        agent.send(try agent.metrics(11))
        let acknowledgement = try #require(bench.turn().last)
        #expect(acknowledgement.rejections.map(\.code) == [.epochClosed])
        #expect(bench.lane(agent)?.counts.committed.batches == 10)
        #expect(bench.lane(agent)?.closedFrom == 6)
    }

    @Test("a delayed birth is not taken for a rewound buffer")
    func delayedBirth() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        let delayed = agent.birth(nextLive: 1)
        agent.send(try agent.keyBatch())
        for sequence in 1...10 as ClosedRange<UInt64> { agent.send(try agent.events(sequence)) }
        bench.send(.birth, delayed, from: agent)
        let challenge = try #require(bench.turn().last?.challenge)
        agent.sessionCounter = 2
        bench.send(.birth, agent.birth(challenge: challenge, nextLive: 11), from: agent)
        #expect(bench.ingest.statistics.rewound == 0)
    }

    @Test("R27: a late last will of an older session is ignored; the current one takes effect after 30 s")
    func lastWill() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.sessionCounter = 5
        try agent.connect()
        func isOnline() -> Bool? { bench.ingest.fleet(of: agent.id)?.isOnline }
        bench.send(.state, state(false, 4), from: agent)
        bench.time.advance(milliseconds: 60_000)
        bench.turn()
        #expect(isOnline() == true && bench.ingest.statistics.staleStates == 1)

        bench.send(.state, state(false, 5), from: agent)
        bench.time.advance(milliseconds: 29_000)
        bench.turn()
        #expect(isOnline() == true)
        agent.sessionCounter = 6
        bench.send(.birth, agent.birth(), from: agent)
        bench.time.advance(milliseconds: 60_000)
        bench.turn()
        #expect(isOnline() == true)

        bench.send(.state, state(false, 6), from: agent)
        bench.time.advance(milliseconds: 31_000)
        bench.turn()
        #expect(isOnline() == false)
        try bench.restart()
        #expect(isOnline() == false)
        agent.sessionCounter = 7
        bench.send(.birth, agent.birth(), from: agent)
        #expect(isOnline() == true)
    }

    @Test("a state may overtake its birth, and a forged future one does not stick")
    func earlyState() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        bench.send(.state, state(false, 1_000_000), from: agent)
        try agent.connect()
        bench.time.advance(milliseconds: 60_000)
        bench.turn()
        #expect(bench.ingest.fleet(of: agent.id)?.isOnline == true)
        bench.send(.state, state(false, 2), from: agent)
        agent.sessionCounter = 2
        bench.send(.birth, agent.birth(), from: agent)
        bench.time.advance(milliseconds: 30_000)
        bench.turn()
        #expect(bench.ingest.fleet(of: agent.id)?.isOnline == false)
    }
}
