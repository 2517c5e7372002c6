import Ingest
import RuntimeSupport
import Telemetry
import Testing

@Suite("clocks of agents")
struct ClockTests {
    private func connected() throws -> (bench: IngestBench, agent: TestAgent) {
        let bench = try IngestBench()
        let agent = bench.agent()
        agent.isClockSynchronized = false
        return (bench, agent)
    }

    private func quarantined(_ bench: IngestBench, _ agent: TestAgent) -> UInt64? {
        bench.lane(agent)?.counts.quarantined.batches
    }

    @Test("R20: a kernel that never says synchronised is believed when our clock bears its clock out")
    func borneOut() throws {
        let (bench, agent) = try connected()
        agent.clockOffsetMilliseconds = 800
        try agent.connect()
        agent.send(try agent.metrics(1))
        agent.send(try agent.events(2))
        bench.turn()
        #expect(quarantined(bench, agent) == 0)
        #expect(bench.ingest.fleet(of: agent.id)?.clockSkewMilliseconds == 800)
    }

    @Test("R20: a boot in 1970 and a clock an hour off wait in quarantine, counted as committed")
    func wrongByFar() throws {
        for offset in [-50 * 365 * 86_400_000, -3_600_000, 3_600_000] as [Int64] {
            let (bench, agent) = try connected()
            agent.clockOffsetMilliseconds = offset
            try agent.connect()
            agent.send(try agent.metrics(1))
            bench.turn()
            #expect(bench.lane(agent)?.counts.committed.batches == 1)
            #expect(quarantined(bench, agent) == 1)
        }
    }

    @Test("R20: a step back after a good start is noticed by the monotonic clock")
    func steppedBack() throws {
        let (bench, agent) = try connected()
        try agent.connect()
        agent.send(try agent.metrics(1))
        agent.clockOffsetMilliseconds = -3_600_000
        agent.send(try agent.metrics(2))
        agent.clockOffsetMilliseconds = 0
        agent.send(try agent.metrics(3))
        bench.turn()
        #expect(quarantined(bench, agent) == 1)
    }

    @Test("R20: a backlog of the same boot is led to its time by the monotonic clock")
    func backlog() throws {
        let (bench, agent) = try connected()
        try agent.connect()
        let old = try agent.metrics(1)
        bench.time.advance(milliseconds: 7_200_000)
        agent.send(try agent.metrics(2))
        agent.send(old)
        bench.turn()
        #expect(quarantined(bench, agent) == 0)
    }
}
