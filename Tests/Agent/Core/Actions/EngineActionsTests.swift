import Actions
import AgentCore
import Control
import LocalRules
import RuntimeSupport
import Telemetry
import Testing

@Suite("The engine and the guard file's actions") struct EngineActionsTests {
    private func bench(_ guardFile: String) throws -> ControlBench {
        let bench = try ControlBench()
        bench.guardLimits = try GuardLimits(try SettingsDocument(guardFile, source: "guard.yaml"))
        bench.nodeSettings.rules = ["busy": try LocalRule(name: "busy", "x < 20 severity critical")]
        bench.reload()
        return bench
    }

    private func total(_ bench: ControlBench, _ action: String, _ result: String) -> Double {
        bench.metrics.value("stagebox_actions_total", "action", action, "result", result) ?? 0
    }

    @Test("without a connection a rule's finding has its action done when it opens and when it closes, one at a time")
    func offline() throws {
        let bench = try bench("actions.fix: exec /bin/fix\nactions.fix.match: rule=busy\nactions.note: log")
        bench.reachableHost = "elsewhere"
        try bench.restart()
        bench.run(seconds: 15)
        #expect(bench.jobs.map(\.action.name) == ["fix"] && bench.jobs[0].finding.until == nil)
        // `note` waits for what runs.
        #expect(bench.outcomes.isEmpty)
        bench.end(bench.jobs[0], .done)
        #expect(bench.jobs.count == 2 && bench.jobs[1].finding.until != nil)
        #expect(bench.jobs[1].finding.id == bench.jobs[0].finding.id)
        bench.end(bench.jobs[1], .timeout)
        #expect(bench.outcomes.map(\.action) == ["fix", "note", "fix", "note"])
        #expect(total(bench, "fix", "done") == 1 && total(bench, "fix", "timeout") == 1)
        #expect(total(bench, "note", "done") == 2)
    }

    @Test("actions come from the guard file and end with it; what is beyond the rate is counted beside the finding")
    func guardFile() throws {
        let bench = try bench("actions.fix: exec /bin/fix\nactions.fix.rate: 1")
        bench.run(seconds: 12)
        #expect(bench.jobs.count == 1 && bench.outcomes.map(\.result) == [.rateLimited])
        #expect(bench.outcomes[0].finding == bench.jobs[0].finding.id && !bench.outcomes[0].isOpening)
        bench.guardLimits.actions = []
        bench.reload()
        bench.end(bench.jobs[0], .failed)
        bench.tell([
            Finding(
                id: ID128(high: 9, low: 9), group: "cpu", since: bench.time.now, score: 1, peakAt: bench.time.now,
                anomalousCount: 1)
        ])
        #expect(bench.jobs.count == 1 && total(bench, "fix", "failed") == 1)
    }

    @Test("detection's findings have actions, too; an agent that stops begins none")
    func stopping() throws {
        let bench = try bench("actions.fix: exec /bin/fix\nactions.fix.match: group=cpu")
        for number in 1...3 as ClosedRange<UInt64> {
            bench.tell([
                Finding(
                    id: ID128(high: 9, low: number), group: number == 2 ? "disk" : "cpu", since: bench.time.now,
                    score: 1,
                    peakAt: bench.time.now, anomalousCount: 1)
            ])
        }
        #expect(bench.jobs.map(\.finding.id.low) == [1])
        bench.stop()
        #expect(total(bench, "fix", "interrupted") == 1)
        #expect(bench.jobs.count == 1)
    }

    @Test("what became of actions is read back as it was kept, and damaged bytes are an error")
    func log() throws {
        let outcomes = ActionOutcome.Result.allCases.map { result in
            ActionOutcome(
                job: 0, action: "fix", finding: ID128(high: 1, low: 2), isOpening: result == .done,
                at: Timestamp(seconds: 1_790_000_000), result: result, detail: "exit status 0")
        }
        let bytes = ActionLog.encode(outcomes)
        #expect(try ActionLog.decode(bytes) == outcomes)
        for count in 0..<bytes.count {
            #expect(throws: (any Error).self) { try ActionLog.decode(Array(bytes[..<count])) }
        }
    }
}
