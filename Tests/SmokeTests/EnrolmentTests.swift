import Glibc
import MQTT
import TestSupport
import Testing

extension RealProcessTests {
    private struct ExportedEvent: Decodable {
        let id: String
        let user: String?
        let version: Int
        enum CodingKeys: String, CodingKey {
            case id, user
            case version = "pseudonym_version"
        }
    }

    private func event(_ id: String, _ now: Int) -> String {
        "{\"id\":\"\(id)\",\"kind\":\"play\",\"at\":\(now),\"user\":\"olav\",\"track\":\"t\"}"
    }

    @Test("one user has one pseudonym: over an agent's restart, and at another agent of the tenant")
    func pseudonyms() throws {
        let tree = try SmokeTree("pseudonyms")
        defer { tree.stopAll() }
        try tree.startCentre()
        func token(_ agent: String) throws -> String {
            let answer = try tree.stagebox(["enrol", "--agent", agent])
            #expect(answer.isDone, "\(answer.text)")
            return String(answer.text.filter { !$0.isWhitespace })
        }
        let now = time(nil) * 1000
        func post(_ id: String) throws {
            let answer = try tree.intake("POST", "/v1/events", body: event(id, now))
            #expect(answer.status == 200, "\(answer.text)")
        }
        try tree.startAgent(enrolledWith: token("node-1"))
        try post("first")
        tree.agent?.terminate()
        try tree.startAgent()
        try post("after-restart")
        try tree.wait("both events arrive", seconds: 45) { try tree.exportedEventIDs().count == 2 }
        try tree.forgetAgent()
        try tree.startAgent(enrolledWith: token("node-2"))
        try post("other-agent")
        try tree.wait("the third event arrives", seconds: 45) { try tree.exportedEventIDs().count == 3 }

        let events = try Answers.lines(
            ExportedEvent.self, tree.api("GET", "/api/v1/events/export?start=0&format=jsonl"))
        #expect(Set(events.map(\.id)) == ["first", "after-restart", "other-agent"])
        #expect(Set(events.map(\.user)).count == 1 && events.allSatisfy { $0.user != nil && $0.user != "olav" })
        #expect(events.allSatisfy { $0.version == 1 })

        // A tool that does not hold the tenant's key must not give out another one.
        _ = try ProcessUnderTest(["/bin/rm", "-rf", tree.folder.file("configuration/stagebox/pseudonyms")]).wait()
        let refused = try tree.stagebox(["enrol", "--agent", "node-3"])
        #expect(!refused.isDone && refused.text.contains("stagebox pseudonyms import"), "\(refused.text)")
        let rotated = try tree.stagebox(["pseudonyms", "rotate"])
        #expect(rotated.isDone && rotated.text.contains("version 2"), "\(rotated.text)")
        #expect(try tree.stagebox(["enrol", "--agent", "node-3"]).isDone)

        // An agent that is enrolled takes the new key while it runs.
        let sent = try tree.stagebox([
            "pseudonyms", "send", "node-2", "--data-dir", tree.folder.file("aggregator"), "--tenant", SmokeTree.tenant,
        ])
        #expect(sent.isDone && sent.text.contains("version 2"), "\(sent.text)")
        try post("rotated")
        try tree.wait("the fourth event arrives", seconds: 45) { try tree.exportedEventIDs().count == 4 }
        let all = try Answers.lines(
            ExportedEvent.self, tree.api("GET", "/api/v1/events/export?start=0&format=jsonl"))
        #expect(all.first { $0.id == "rotated" }?.version == 2 && Set(all.map(\.user)).count == 2)
    }

    @Test("bad settings end a program with status 78 and the place, bad flags with 64")
    func exitCodes() throws {
        let folder = try TemporaryDirectory("exit-codes")
        defer { folder.remove() }
        func run(_ arguments: [String], settings: String) throws -> (exit: ProcessUnderTest.Exit?, text: String) {
            try Files.write(Array(settings.utf8), to: folder.file("settings.yaml"))
            let log = folder.file("log")
            unlink(log)
            let program = SmokePrograms.path(arguments[0])
            let process = try ProcessUnderTest([program] + arguments.dropFirst(), output: log)
            return (process.wait(upToSeconds: 30), try Files.text(log))
        }
        let agent = ["stagebox-agent", "run", "--config", folder.file("settings.yaml")]
        let missing = try run(agent, settings: "guard-file: /nowhere/guard.yaml\n")
        #expect(missing.exit == .code(78) && missing.text.contains("/nowhere/guard.yaml: "), "\(missing.text)")
        let mistyped = try run(agent, settings: "flush-interwal: 1 s\n")
        #expect(mistyped.exit == .code(78) && mistyped.text.contains("settings.yaml:1: flush-interwal"))
        #expect(try run(agent + ["--flush-seconds", "0"], settings: "").exit == .code(64))
        let aggregator = [
            "stagebox-aggregator", "--config", folder.file("settings.yaml"), "--data-dir", folder.file("a"),
        ]
        let centre = try run(aggregator, settings: "http:\n  port: none\n")
        #expect(centre.exit == .code(78) && centre.text.contains("settings.yaml:2"), "\(centre.text)")
        #expect(try run(aggregator + ["--http-port", "none"], settings: "").exit == .code(64))
    }

    @Test("a demonstration on a port that is taken says so at once and starts nothing")
    func takenPort() throws {
        let folder = try TemporaryDirectory("taken-port")
        defer { folder.remove() }
        let tree = try SmokeTree("taken-port-holder")
        defer { tree.stopAll() }
        try tree.startCentre()
        let log = folder.file("log")
        let process = try ProcessUnderTest(
            [
                SmokePrograms.path("stagebox"), "demo", "--http-port", "\(tree.httpPort)", "--seconds", "5",
                "--data-dir",
                folder.file("demo"),
            ], output: log)
        #expect(process.wait(upToSeconds: 30) == .code(1))
        let text = try Files.text(log)
        #expect(text.contains("port \(tree.httpPort)") && text.contains("something listens there already"), "\(text)")
        #expect(!Files.exists(folder.file("demo/aggregator")))
    }
}
