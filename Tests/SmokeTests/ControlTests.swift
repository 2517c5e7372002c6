import Access
import Glibc
import MQTT
import Sealing
import Telemetry
import TestSupport
import Testing
import WireFormat

extension RealProcessTests {
    private static let nodeFile = """
        manifest-link-time: 30 s
        manifest-bake-time: 5 s

        """

    /// An agent with a settings file of its own that a test can change.
    private func controlTree(_ label: String, groups: String = "", guardText: String? = nil) throws -> SmokeTree {
        let tree = try SmokeTree(label)
        let guardFile = tree.folder.file("guard.yaml")
        try Files.write(Array((guardText ?? "").utf8), to: guardFile)
        try Files.write(Array((Self.nodeFile + "guard-file: \(guardFile)\n").utf8), to: tree.folder.file("agent.yaml"))
        tree.agentOptions = ["--config", tree.folder.file("agent.yaml")]
        tree.groups = groups
        try tree.start()
        try tree.wait("samples arrive", seconds: 30) { try !tree.timestamps(of: "node_load1").isEmpty }
        return tree
    }

    private func push(_ body: String, _ target: [String], _ tree: SmokeTree) throws -> (isDone: Bool, text: String) {
        let file = tree.folder.file("push.yaml")
        try Files.write(Array(body.utf8), to: file)
        return try tree.stagebox(["config", "push", file, "--data-dir", tree.folder.file("aggregator")] + target)
    }

    /// One family ends while another goes on.
    private func expectEnd(of family: String, while other: String, _ tree: SmokeTree) throws {
        func newest(_ family: String) throws -> Int64 { try tree.timestamps(of: family).values.joined().max() ?? 0 }
        try tree.wait("\(family) ends", seconds: 30) { try newest(other) >= newest(family) + 4000 }
    }

    @Test(
        "R22 a manifest is applied and kept; one that cuts the link is taken back; forged, old, forbidden ones refused")
    func manifests() throws {
        let tree = try controlTree("manifests", guardText: "deny: collectors.cpu\n")
        defer { tree.stopAll() }
        let target = ["--agent", SmokeTree.agentName]

        let pushed = try push("flush-interval: 300 ms\ncollectors:\n  loadavg: off\n", target, tree)
        #expect(pushed.isDone, "\(pushed.text)")
        let first = try tree.waitForStanding(step: "committed", attempted: 1, seconds: 60)
        #expect(first.running == 1 && first.desired == 1)
        try expectEnd(of: "node_load1", while: "node_memory_MemAvailable_bytes", tree)
        let record = try Files.read(
            tree.folder.file("aggregator/manifests/\(SmokeTree.tenant)/\(SmokeTree.agentName).signed"))

        // Nobody listens there.
        #expect(try push("broker:\n  port: \(try FreePort.next())\n", target, tree).isDone)
        let second = try tree.waitForStanding(step: "reverted", attempted: 2, seconds: 120)
        #expect(second.running == 1 && second.desired == 2)
        #expect(second.error.contains("link did not come back"), "\(second.error)")
        let shown = try tree.stagebox(["config", "show"])
        #expect(shown.isDone && shown.text.contains("reverted") && shown.text.contains("link"), "\(shown.text)")

        // What the guard file denies is refused with its reason.
        #expect(try push("collectors:\n  cpu: off\n", target, tree).isDone)
        let third = try tree.waitForStanding(step: "reverted", attempted: 3, seconds: 30)
        #expect(third.running == 1 && third.error.contains("guard file"), "\(third.error)")

        // The aggregator takes neither an old version nor a foreign signature.
        var forged = record
        forged[forged.count - 1] ^= 1
        for (bytes, reason) in [(record, "not above"), (forged, "did not sign")] {
            let answer = try tree.post("/api/v1/admin/config", bytes)
            #expect((400..<500).contains(answer.status) && answer.text.contains(reason), "\(answer.text)")
        }
        // Nor does the agent, if the broker brings them.
        let access = try AccessStore(path: tree.folder.file("aggregator/access.sqlite"), now: Timestamp(seconds: 0))
        let boxKey = try #require(try access.activeCertificates().first).certificate.boxKey
        try tree.publishAsAggregator(try SealedBox.seal(forged, to: boxKey))
        try tree.wait("the forged manifest is counted", seconds: 30) {
            try tree.agentMetrics()["stagebox_agent_messages_refused_total{reason=\"not-authentic\"}"] ?? 0 >= 1
        }
        try tree.publishAsAggregator(try SealedBox.seal(record, to: boxKey))
        try tree.wait("the old manifest is reported", seconds: 30) {
            try tree.standing()?.error.contains("older than version 3") == true
        }
        #expect(try tree.standing()?.running == 1)
        try tree.expectEqualLedgers(seconds: 60)
    }

    @Test("an agent enrolled into a group takes its manifest, below its own; it can leave; commands are answered")
    func groups() throws {
        let tree = try controlTree("groups", groups: "edge")
        defer { tree.stopAll() }
        _ = try tree.waitForStanding(step: "committed", attempted: 1, seconds: 60)
        #expect(try push("collectors:\n  loadavg: off\n", ["--group", "edge"], tree).isDone)
        _ = try tree.waitForStanding(group: "edge", step: "committed", attempted: 1, seconds: 60)
        try expectEnd(of: "node_load1", while: "node_memory_MemAvailable_bytes", tree)

        // The agent's own settings count for more; its groups stay although the file names none.
        #expect(try push("collectors:\n  loadavg: on\n", ["--agent", SmokeTree.agentName], tree).isDone)
        _ = try tree.waitForStanding(step: "committed", attempted: 2, seconds: 60)
        let shown = try tree.stagebox(["config", "show"])
        #expect(shown.text.contains("group edge"), "\(shown.text)")
        let now = Int64(time(nil)) * 1000
        try tree.wait("node_load1 is back", seconds: 30) {
            try tree.timestamps(of: "node_load1").values.joined().contains { $0 > now }
        }
        let dataDirectory = ["--data-dir", tree.folder.file("aggregator")]
        let left = try tree.stagebox(["agents", "group", SmokeTree.agentName, "--set", ""] + dataDirectory)
        #expect(left.isDone, "\(left.text)")
        _ = try tree.waitForStanding(step: "committed", attempted: 3, seconds: 60)
        #expect(try tree.standing(group: "edge") == nil)

        let done = try tree.stagebox(["agents", "command", SmokeTree.agentName, "flush"] + dataDirectory)
        #expect(done.isDone && done.text.contains("done"), "\(done.text) \(tree.tails)")
        let refused = try tree.stagebox(["agents", "command", SmokeTree.agentName, "dance"] + dataDirectory)
        #expect(!refused.isDone && refused.text.contains("refused"), "\(refused.text)")
        let listed = try tree.stagebox(["agents", "commands"])
        #expect(listed.text.contains("refused") && listed.text.contains("done"), "\(listed.text)")
    }

    @Test("SIGHUP has the agent read its settings file again; a bad file changes nothing and is said")
    func reload() throws {
        let tree = try controlTree("reload")
        defer { tree.stopAll() }
        let file = tree.folder.file("agent.yaml")
        try Files.write(Array((Self.nodeFile + "collectors:\n  loadavg: off\n").utf8), to: file)
        tree.agent?.send(SIGHUP)
        try expectEnd(of: "node_load1", while: "node_memory_MemAvailable_bytes", tree)
        try Files.write(Array("collectors:\n  loadavg: perhaps\n".utf8), to: file)
        tree.agent?.send(SIGHUP)
        try tree.wait("the agent says what is wrong with its file", seconds: 30) {
            try Files.text(tree.folder.file("agent.log")).contains("agent.yaml:2: collectors.loadavg: \"perhaps\"")
        }
        try Files.write(Array(Self.nodeFile.utf8), to: file)
        let now = Int64(time(nil)) * 1000
        tree.agent?.send(SIGHUP)
        try tree.wait("node_load1 is back", seconds: 30) {
            try tree.timestamps(of: "node_load1").values.joined().contains { $0 > now }
        }
        #expect(tree.agent?.isRunning == true)
    }
}
