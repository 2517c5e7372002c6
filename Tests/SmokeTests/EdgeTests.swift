import Foundation
import Glibc
import MQTT
import TestSupport
import Testing

/// A node that is cut off judges by its own rules and acts by its guard file; later the centre has all of it, once.
extension RealProcessTests {
    private struct Findings: Decodable {
        struct Entry: Decodable {
            struct Rule: Decodable {
                let name: String
                let severity: String
            }
            let id: String
            let state: String
            let since: String
            let rule: Rule?
        }
        let findings: [Entry]
    }

    private func stored(_ tree: SmokeTree) throws -> [Findings.Entry] {
        try Answers.decode(Findings.self, tree.api("GET", "/api/v1/findings?limit=1000")).findings
            .filter { $0.rule != nil }
    }

    private func push(_ value: Int, to tree: SmokeTree) throws {
        let answer = try tree.intake(
            "POST", "/v1/metrics", body: "{\"name\":\"queue_depth\",\"type\":\"gauge\",\"value\":\(value)}")
        guard (200..<300).contains(answer.status) else { throw SmokeTree.Failure(description: answer.text) }
    }

    @Test("a rule fires and ends, and a script runs, while nobody is there and the agent is killed; it is told once")
    func rulesWhileCutOff() throws {
        let tree = try SmokeTree("edge")
        defer { tree.stopAll() }
        let seen = tree.folder.file("seen")
        let script = tree.folder.file("act")
        try Files.write(
            Array("#!/bin/sh\necho $STAGEBOX_EVENT $STAGEBOX_FINDING $STAGEBOX_VALUE >> \(seen)\n".utf8), to: script)
        chmod(script, 0o755)
        try Files.write(
            Array("actions:\n  act: exec \(script)\n  act.match: rule=queue\n".utf8), to: tree.folder.file("guard.yaml")
        )
        try Files.write(
            Array(
                """
                guard-file: \(tree.folder.file("guard.yaml"))
                rules:
                  queue: queue_depth > 5 until < 2 severity critical

                """.utf8), to: tree.folder.file("agent.yaml"))
        tree.agentOptions = ["--config", tree.folder.file("agent.yaml")]
        try tree.start()
        tree.killAggregator()
        func lines() -> [String] {
            ((try? Files.text(seen)) ?? "").split(separator: "\n").map(String.init)
        }
        func shown() throws -> String {
            let file = tree.folder.file("findings.txt")
            unlink(file)
            let command = [
                SmokePrograms.path("stagebox-agent"), "findings", "--data-directory", tree.folder.file("agent"),
            ]
            #expect(try ProcessUnderTest(command, output: file).wait(upToSeconds: 20) == .code(0))
            return try Files.text(file)
        }
        let done = "act on opening, done: exit status 0"
        try push(9, to: tree)
        try tree.wait("the script has run when the finding opened", seconds: 30) { lines().count == 1 }
        // What became of it is noted when it has ended, which a kill would forestall.
        try tree.wait("that is noted", seconds: 30) { try shown().contains(done) }
        tree.killAgent()
        try tree.startAgent()
        try push(7, to: tree)
        try push(1, to: tree)
        try tree.wait("the script has run when it closed", seconds: 30) { lines().count == 2 }
        try push(8, to: tree)
        try tree.wait("the script has run for the second one", seconds: 30) { lines().count == 3 }
        let told = lines().map { $0.split(separator: " ").map(String.init) }
        #expect(told.map { $0[0] } == ["opened", "closed", "opened"])
        #expect(told[0][1] == told[1][1] && told[0][1] != told[2][1] && told[1][2] == "9.0")
        try tree.startAggregator()
        try tree.wait("both findings are at the aggregator", seconds: 60) { try stored(tree).count == 2 }
        let found = try stored(tree)
        #expect(found.map(\.state) == ["open", "closed"] && found.map(\.id) == [told[2][1], told[0][1]])
        #expect(found.allSatisfy { $0.rule?.name == "queue" && $0.rule?.severity == "critical" })
        try tree.expectEqualLedgers(seconds: 60)
        try tree.wait("what became of the second is noted, too", seconds: 30) {
            try shown().components(separatedBy: done).count == 3
        }
        #expect(try shown().contains("rule queue (critical, 9.0 against 5.0)"))
    }
}
