import Ingest
import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("batch opener")
struct BatchOpenerTests {
    private func rejection(_ content: OpenedMessage.Content?) -> OpenedMessage.Rejected? {
        if case .rejected(let rejected)? = content { rejected } else { nil }
    }

    @Test("topics that are no agent's up topics give nothing")
    func topics() throws {
        let bench = try IngestBench()
        for topic in [
            "", "stagebox/1/acme/edge-01/down/ack", "stagebox/2/acme/edge-01/up/birth", "stagebox/1/_fleet/x/up/birth",
        ] {
            #expect(bench.opener.open(topic: topic, payload: [], now: bench.time.now) == nil)
        }
    }

    @Test("an agent without a certificate is refused, not finally")
    func unknownAgent() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        let payload = try agent.events(1)
        let message = bench.opener.open(
            topic: "stagebox/1/acme/other/up/batch/live", payload: payload, now: bench.time.now)
        let rejected = try #require(rejection(message?.content))
        #expect(rejected.code == .unknownAgent && rejected.header == nil)
    }

    @Test("one agent's batch on another's topic or tenant is refused")
    func foreign() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        let other = bench.agent("edge-02")
        agent.send(try agent.keyBatch())
        let payload = try agent.events(1)
        #expect(rejection(bench.send(.batch(.live), payload, from: other))?.code == .notAuthentic)
        #expect(rejection(bench.send(.batch(.live), try agent.keyBatch(), from: other))?.code == .notAuthentic)
        #expect(rejection(bench.send(.birth, agent.birth(), from: other))?.code == .notAuthentic)
        #expect(rejection(bench.send(.result, agent.birth(), from: agent))?.code == .malformed)
    }

    @Test("a batch that is too large, or has a wrong record count, is refused with its code")
    func codes() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.send(try agent.keyBatch())
        let huge = [UInt8](repeating: 0, count: WireLimits.batchBytesMax + 1)
        #expect(rejection(bench.send(.batch(.live), huge, from: agent))?.code == .tooLarge)
        let miscounted = rejection(
            bench.send(.batch(.live), try agent.seal(.events, 1, records: 9, body: [3]), from: agent))
        #expect(miscounted?.code == .malformed && miscounted?.header?.sequence == 1)
        let large = rejection(bench.send(.batch(.live), try agent.seal(.events, 2, body: [200]), from: agent))
        #expect(large?.code == .tooLarge && large?.header?.sequence == 2)
    }

    @Test("a key whose recipients are all destroyed is refused, and its batches are not finally settled")
    func destroyed() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.send(try agent.keyBatch())
        let payload = try agent.events(1)
        _ = bench.ring.destroyExpired(now: .distantFuture)
        let rejected = rejection(bench.send(.batch(.live), payload, from: agent))
        #expect(rejected?.code == .keyDestroyed && rejected?.header == nil && rejected?.claimed?.sequence == 1)
        #expect(rejection(bench.send(.batch(.live), try agent.keyBatch(), from: agent))?.code == .keyDestroyed)
    }

    @Test("key records outlive the process: a new ring opens them again")
    func records() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.send(try agent.keyBatch())
        let payload = try agent.events(1)
        let ring = KeyRing()
        ring.add(bench.pair, destroyAfter: .distantFuture)
        let opener = BatchOpener(
            certificates: bench.certificates, keys: ring, records: bench.records, bodies: PlainBodies())
        let message = opener.open(topic: "stagebox/1/acme/edge-01/up/batch/live", payload: payload, now: bench.time.now)
        guard case .block(let block)? = message?.content else {
            Issue.record("not opened")
            return
        }
        #expect(block.key.sequence == 1 && block.body == [3])
    }

    @Test("mutated payloads never trap and never settle anything")
    func fuzz() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        bench.turn()
        var generator = SeededGenerator(seed: 11)
        let payloads = [
            try agent.metrics(1), try agent.keyBatch(), try agent.tableBatch(), agent.birth(),
            try agent.loss(
                1,
                [
                    LossRecord(
                        laneKey: LaneKey(epoch: agent.epoch, lane: .live), sequences: 1...2,
                        count: LedgerCount(batches: 2, records: 2), reason: .damaged)
                ]),
        ]
        for _ in 0..<3000 {
            var payload = payloads.randomElement(using: &generator) ?? []
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                payload[Int.random(in: 0..<payload.count, using: &generator)] ^=
                    1 << UInt8.random(in: 0...7, using: &generator)
            }
            if Bool.random(using: &generator) {
                payload.removeLast(Int.random(in: 1...payload.count, using: &generator))
            }
            let topic: UpTopic = Bool.random(using: &generator) ? .batch(.live) : .birth
            bench.send(topic, payload, from: agent)
        }
        bench.turn()
        #expect(bench.ingest.ledger().allSatisfy { $0.settled.count == 0 })
        #expect(bench.store.parked.reduce(0) { $0 + $1.payload.count } <= IngestLimits.parkedBytesMax)
    }
}
