import AgentCore
import Control
import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

/// RELIABILITY R22, R23.
@Suite("The engine under signed manifests")
struct EngineControlTests {
    @Test("a manifest is applied, baked over a new connection and an acknowledgement, committed and reported")
    func commits() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        #expect(bench.births.count == 1)
        try bench.push("flush-interval: 5 s\ncollectors:\n  disk: off\n", version: 1)
        bench.run(seconds: 30)
        #expect(bench.births.count == 2 && bench.births.last?.runningConfigurationVersion == 1)
        #expect(bench.reports.map(\.step) == [.verified, .validated, .baking])
        bench.run(seconds: 60)
        #expect(bench.reports.last?.step == .committed && bench.reports.last?.runningVersion == 1)
        #expect(bench.applied.last?.flushIntervalMilliseconds == 5000)
        #expect(bench.applied.last?.collector("disk").isEnabled == false)

        try bench.restart()
        #expect(bench.applied.last?.flushIntervalMilliseconds == 5000)
        bench.run(seconds: 5)
        #expect(bench.births.last?.runningConfigurationVersion == 1)
    }

    @Test("a manifest that cuts the agent's own link is reverted, and the report says why")
    func revertsCutLink() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        try bench.push("broker:\n  host: nowhere.example\n", version: 1)
        bench.run(seconds: 60)
        #expect(bench.births.count == 1)
        bench.run(seconds: 240)
        #expect(bench.births.count == 2 && bench.births.last?.runningConfigurationVersion == 0)
        let report = try #require(bench.reports.last)
        #expect(report.step == .reverted && report.attemptedVersion == 1 && report.runningVersion == 0)
        #expect(report.error.contains("the link did not come back"))
        #expect(bench.applied.last?.brokerHost == nil)
    }

    @Test("a manifest under which nothing is acknowledged is reverted")
    func revertsWithoutAcknowledgement() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        try bench.push("flush-interval: 5 s\n", version: 1)
        bench.acknowledges = false
        bench.run(seconds: 180)
        #expect(bench.reports.last?.step == .reverted)
        #expect(bench.reports.last?.error.contains("no acknowledgement") == true)
        #expect(bench.applied.last?.flushIntervalMilliseconds == 10_000)
    }

    @Test("a manifest that makes the agent use too much is reverted")
    func revertsBudget() throws {
        let bench = try ControlBench()
        bench.ownUse = OwnUse(cpuMilliseconds: 0, residentBytes: 1 << 20)
        bench.run(seconds: 5)
        try bench.push("collection-interval: 100 ms\n", version: 1)
        bench.run(seconds: 5)
        bench.ownUse = OwnUse(cpuMilliseconds: 60_000, residentBytes: 1 << 20)
        bench.run(seconds: 20)
        #expect(bench.reports.last?.step == .reverted)
        #expect(bench.reports.last?.error.contains("of a core") == true)
    }

    @Test("a bad body never takes effect; the report names line and key")
    func refusesBadBody() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        let before = bench.applied.count
        for (index, body) in ["flush-interval: soon\n", "nonsense: 1\n", "proc-root: /tmp\n", "\tx"].enumerated() {
            try bench.push(body, version: UInt64(index + 1))
            bench.run(seconds: 5)
            #expect(bench.reports.last?.step == .reverted)
            #expect(bench.reports.last?.error.contains(":1:") == true)
        }
        #expect(bench.applied.count == before && bench.births.count == 1)
    }

    @Test("a manifest that the manifest key did not sign changes nothing and is not answered")
    func refusesForged() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        try bench.push("flush-interval: 5 s\n", version: 1, key: SigningKey())
        bench.run(seconds: 5)
        #expect(bench.reports.isEmpty && bench.births.count == 1)
    }

    @Test("an agent that keeps dying while a manifest bakes goes back to what ran before")
    func revertsCrashes() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        try bench.push("flush-interval: 5 s\n", version: 1)
        for _ in 0..<3 {
            bench.run(seconds: 10)
            try bench.restart()
        }
        #expect(bench.applied.last?.flushIntervalMilliseconds == 10_000)
        bench.run(seconds: 5)
        #expect(bench.reports.last?.step == .reverted)
        #expect(bench.births.last?.runningConfigurationVersion == 0)
    }

    @Test("a group's manifest takes effect below the agent's own, once that puts the agent into the group")
    func groups() throws {
        let bench = try ControlBench()
        let group = GroupName(unchecked: "caches")
        let topic = Topics.groupConfiguration(ControlBench.tenant, group)
        bench.run(seconds: 5)
        bench.push("flush-interval: 3 s\n", version: 4, group: group)
        bench.run(seconds: 5)
        #expect(bench.reports.isEmpty && !bench.subscriptions.contains(topic))
        try bench.push("collection-interval: 2 s\ngroups: caches\n", version: 1)
        bench.run(seconds: 100)
        #expect(bench.subscriptions.contains(topic))
        bench.push("flush-interval: 3 s\ncollection-interval: 5 s\n", version: 4, group: group)
        bench.run(seconds: 100)
        #expect(bench.reports.last?.scope == .group(group) && bench.reports.last?.step == .committed)
        #expect(bench.applied.last?.flushIntervalMilliseconds == 3000)
        #expect(bench.applied.last?.collectionIntervalMilliseconds == 2000)

        // A group cannot put its members into other groups.
        bench.push("groups: others\n", version: 6, group: group)
        bench.run(seconds: 5)
        #expect(bench.reports.last?.step == .reverted)
        #expect(bench.reports.last?.error.contains("agent's own manifest") == true)

        try bench.restart()
        bench.run(seconds: 5)
        #expect(bench.subscriptions.contains(topic))
        #expect(bench.applied.last?.flushIntervalMilliseconds == 3000)
        try bench.push("# left\n", version: 3)
        bench.run(seconds: 100)
        #expect(!bench.subscriptions.contains(topic))
        #expect(bench.applied.last?.flushIntervalMilliseconds == 10_000)
    }

    @Test("what the guard file forbids is refused, and the report says so")
    func guarded() throws {
        let bench = try ControlBench()
        bench.guardLimits = try GuardLimits(SettingsDocument("deny: collectors.*\n", source: "guard.yaml"))
        try bench.restart()
        bench.run(seconds: 5)
        try bench.push("collectors:\n  disk: off\n", version: 1)
        bench.run(seconds: 5)
        #expect(bench.reports.last?.step == .reverted)
        #expect(bench.reports.last?.error.contains("guard file") == true)
    }
}
