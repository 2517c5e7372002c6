import AggregatorCore
import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Forwarding of findings and events", .serialized, .ownThread) struct LaneForwarderTests {
    /// A store that hands on to a relay in memory, which answers as it is told.
    private final class Bench {
        let directory: TemporaryDirectory
        let time = ManualTimeSource(now: Timestamp(seconds: 1_767_225_600))
        let stores: StoreDirectory
        let store: TenantStore
        let agent = AgentID(unchecked: "edge-1")
        var settings = ForwardSettings()
        var answers: [Forwarder.Outcome] = []
        var events: [ListeningEvent] = []
        var findings: [Finding] = []
        var requests = 0
        var reports: [String] = []
        private var sequence: UInt64 = 0

        init() throws {
            directory = try TemporaryDirectory()
            stores = StoreDirectory(root: directory.path, time: time)
            store = try stores.tenant(TenantID(unchecked: "acme"))
            settings.encoding = .zstd
            settings.handsOnFindings = true
            settings.events = .on
            try store.startForwarding(settings.lanes)
        }
        deinit { stores.closeAll() }

        func forwarder(_ lane: ForwardLane) -> LaneForwarder {
            LaneForwarder(
                lane, of: store, settings, metrics: stores.metrics, report: { [unowned self] in reports.append($0) }
            ) { [unowned self] body in
                requests += 1
                let answer: Forwarder.Outcome = answers.isEmpty ? .taken : answers.removeFirst()
                guard answer == .taken else { return answer }
                if lane == .events { events += (try? EventBlock.decode(body)) ?? [] }
                if lane == .findings { findings += (try? FindingBlock.decode(body)) ?? [] }
                return .taken
            }
        }

        func commit(_ content: IngestCommit.Content, _ kind: BatchKind, body: [UInt8], records: Int) throws {
            sequence += 1
            let header = BatchHeader(
                kind: kind, lane: .live, agent: agent, epoch: EpochID(high: 1, low: 1), sequence: sequence,
                dataKeyID: .zero, firstTimestamp: time.now, lastTimestamp: time.now, recordCount: UInt32(records),
                clock: ClockReading(
                    isSynchronized: true, errorBoundMilliseconds: 1, bootID: .zero, monotonicNanoseconds: 5), nonce: [])
            var commit = IngestCommit(number: sequence, at: time.now)
            commit.blocks = [
                IngestCommit.Block(agent: agent, header: header, body: body, content: content, receivedAt: time.now)
            ]
            try store.commit(commit)
        }
        func add(events range: Range<Int>) throws {
            let events = range.map { number in
                var event = ListeningEvent(
                    id: "e\(number)", kind: .play, at: time.now, receivedAt: time.now, user: ID128(high: 1, low: 2),
                    pseudonymVersion: 3)
                event[.session] = "s\(number)"
                event[.track] = "t"
                return event
            }
            let body = try BlockBody().compress(EventBlock.encode(events))
            try commit(.events(EventContent(events)), .events, body: body, records: events.count)
        }
        func add(finding id: UInt64) throws {
            let finding = Finding(
                id: ID128(high: 0, low: id), group: "disk", since: time.now, score: 1, peakAt: time.now,
                anomalousCount: 1)
            let body = try BlockBody().compress(FindingBlock.encode([finding]))
            try commit(.findings([finding]), .findings, body: body, records: 1)
        }
        func run(_ forwarder: inout LaneForwarder) throws {
            for _ in 0..<1000 where try forwarder.step() == 1000 { return }
        }
        func value(_ name: String) -> Double { stores.metrics.value(name, "tenant", "acme") ?? 0 }
    }

    @Test("events are handed on as they are, in requests of a thousand, and come again when an answer was lost")
    func events() throws {
        let bench = try Bench()
        for block in 0..<5 { try bench.add(events: block * 700..<block * 700 + 700) }
        var forwarder = bench.forwarder(.events)
        #expect(try forwarder.step() == 0)
        #expect(bench.events.count == 700 && bench.events[0].user == ID128(high: 1, low: 2))
        bench.answers = [.later("503 x"), .later("429 x", afterMilliseconds: 90_000)]
        #expect(try (100...4000).contains(forwarder.step()))
        #expect(try forwarder.step() == 90_000)
        // The process ends; another goes on.
        var second = bench.forwarder(.events)
        try bench.run(&second)
        #expect(bench.events.map(\.id) == (0..<3500).map { "e\($0)" })
        #expect(bench.value("stagebox_forward_sent_events_total") == 3500)
        #expect(bench.reports.count == 1 && bench.value("stagebox_forward_retries_total") == 2)
    }

    @Test("a block of more than a thousand goes in parts; without users nothing tells whose an event is")
    func withoutUsers() throws {
        let bench = try Bench()
        bench.settings.events = .withoutUsers
        try bench.add(events: 0..<2500)
        var forwarder = bench.forwarder(.events)
        try bench.run(&forwarder)
        #expect(bench.requests == 3 && bench.events.count == 2500)
        #expect(
            bench.events.allSatisfy {
                $0.user == nil && $0.pseudonymVersion == 0 && $0[.session] == nil && $0[.track] == "t"
            })
    }

    @Test("findings say whose they are; what is refused is counted and does not hold up the rest")
    func findings() throws {
        let bench = try Bench()
        var forwarder = bench.forwarder(.findings)
        try bench.add(finding: 1)
        bench.answers = [.refused("400 x")]
        #expect(try forwarder.step() == 0)
        try bench.add(finding: 2)
        try bench.run(&forwarder)
        #expect(bench.findings.map(\.id.low) == [2] && bench.findings[0].source?.node == bench.agent)
        #expect(bench.value("stagebox_forward_refused_findings_total") == 1)
        #expect(bench.value("stagebox_forward_sent_findings_total") == 1)
    }

    @Test("only a relay is handed findings and events, and events only if that is set")
    func lanes() {
        var settings = ForwardSettings()
        #expect(settings.lanes.isEmpty)
        settings.encoding = .zstd
        #expect(settings.lanes.isEmpty)
        settings.url = "http://127.0.0.1:9470/api/v1/write"
        #expect(settings.lanes == [.findings])
        settings.events = .on
        settings.handsOnFindings = false
        #expect(settings.lanes == [.events])
    }
}
