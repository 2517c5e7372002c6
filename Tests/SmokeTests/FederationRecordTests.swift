import Foundation
import Glibc
import MQTT
import RuntimeSupport
import TestSupport
import Testing

/// What a region hands on beside samples: findings, events, what is said of its metrics.
extension FederationTests {
    private struct Findings: Decodable {
        struct Entry: Decodable, Equatable {
            struct Rule: Decodable, Equatable {
                let name: String
                let value: Double
            }
            struct Contributor: Decodable, Equatable {
                let labels: [String: String]
                let share: Double
            }
            let id: String
            let agent: String
            let state: String
            let since: String
            let until: String?
            let score: Double
            let contributors: [Contributor]
            let rule: Rule?
            let region: String
            let relay: String?
        }
        let findings: [Entry]
    }

    /// The rule's findings, newest first.
    private func findings(_ tree: SmokeTree) throws -> [Findings.Entry] {
        try Answers.decode(Findings.self, tree.api("GET", "/api/v1/findings?limit=1000")).findings
            .filter { $0.rule != nil }
    }

    /// Without what tells where it is read.
    private func plain(_ entries: [Findings.Entry]) -> [String] {
        entries.map {
            "\($0.id) \($0.since) \($0.until ?? "open") \($0.score) \($0.contributors) \($0.rule.debugDescription)"
        }
    }

    private func events(_ tree: SmokeTree) throws -> [String] {
        try tree.api("GET", "/api/v1/events/export?start=0&format=jsonl").text.split(separator: "\n").map(String.init)
            .sorted()
    }

    private func push(_ value: Int, to tree: SmokeTree) throws {
        let body = "{\"name\":\"queue_depth\",\"type\":\"gauge\",\"value\":\(value)}"
        try tree.wait("a sample is taken", seconds: 30) {
            (200..<300).contains(try tree.intake("POST", "/v1/metrics", body: body).status)
        }
    }

    private func play(_ number: Int, at tree: SmokeTree) throws {
        let body =
            "{\"id\":\"play-\(number)\",\"kind\":\"play\",\"at\":\(time(nil) * 1000),\"user\":\"u\(number % 5)\","
            + "\"track\":\"t\(number)\",\"territory\":\"SE\"}"
        try tree.wait("an event is taken", seconds: 30) {
            try tree.intake("POST", "/v1/events", body: body).status == 200
        }
    }

    @Test("whatever is killed, the centre has the region's findings and events: the same, once, and by their names")
    func recordsUnderKills() throws {
        print("federation: STAGEBOX_SMOKE_SEED=\(SmokePrograms.seed)")
        var generator = SeededGenerator(seed: SmokePrograms.seed)
        let (regional, global) = try trees(
            forwarding: "  events: on\n", rules: "rules:\n  queue: queue_depth > 5 until < 2 severity critical\n")
        defer {
            regional.stopAll()
            global.stopAll()
        }
        var victims = ["relay", "global", "regional", "broker", "relay", "agent", "global"]
        victims.shuffle(using: &generator)
        var number = 0
        for victim in victims {
            try push(9, to: regional)
            for _ in 0..<20 {
                try play(number, at: regional)
                number += 1
            }
            // The moment is the test here, not a wait for something.
            usleep(UInt32.random(in: 100_000...1_500_000, using: &generator))
            switch victim {
            case "relay": global.killAgent()
            case "global": global.killAggregator()
            case "regional": regional.killAggregator()
            case "broker": global.killBroker()
            default: regional.killAgent()
            }
            if victim != "agent" { try push(1, to: regional) }
            switch victim {
            case "relay": try global.startAgent()
            case "global": try global.startAggregator()
            case "regional": try regional.startAggregator()
            case "broker": break
            default: try regional.startAgent()
            }
            if victim == "agent" { try push(1, to: regional) }
        }
        try push(9, to: regional)
        try regional.wait("the region has all findings and events", seconds: 90) {
            try findings(regional).count == victims.count + 1 && events(regional).count == number
        }
        let isEqual = try Waiting.until(withinSeconds: 120) {
            usleep(300_000)
            return try plain(findings(global)) == plain(findings(regional)) && events(global) == events(regional)
        }
        let (there, here) = (try findings(regional), try findings(global))
        let counts = (try events(regional).count, try events(global).count)
        #expect(
            isEqual,
            """
            findings: \(plain(there))\nat the centre: \(plain(here))
            \(counts.0) events, at the centre \(counts.1)
            \(global.tails)\n\(regional.tails)
            """)
        #expect(there.map(\.state) == ["open"] + victims.map { _ in "closed" })
        #expect(here.allSatisfy { $0.agent == SmokeTree.agentName && $0.relay == Self.relay && $0.region == "eu" })
        #expect(there.allSatisfy { $0.agent == SmokeTree.agentName && $0.relay == nil })
        let shown = try global.stagebox(["findings", "--relay", Self.relay])
        #expect(shown.isDone && shown.text.contains("\(SmokeTree.agentName) (eu, over \(Self.relay))  rule queue"))
        try global.expectEqualLedgers(seconds: 60)
        try regional.expectEqualLedgers(seconds: 60)
        print("federation: \(there.count) findings, \(number) events are the same")
    }

    @Test("help and units that came in with samples are known at both places; events stay unless they are asked for")
    func metadata() throws {
        let (regional, global) = try trees()
        defer {
            regional.stopAll()
            global.stopAll()
        }
        try play(1, at: regional)
        let text = """
            # TYPE pipeline_seconds histogram
            # UNIT pipeline_seconds seconds
            # HELP pipeline_seconds How long a stage took.
            pipeline_seconds_bucket{le="+Inf"} 3
            pipeline_seconds_count 3
            pipeline_seconds_sum 1.5
            # EOF

            """
        let type = "application/openmetrics-text; version=1.0.0"
        let pushed = try regional.exchange(
            "POST", "/api/v1/import/prometheus", headers: [("Content-Type", type)], body: Array(text.utf8))
        #expect(pushed.status == 204, "\(pushed.text)")
        let told = #"[{"type":"histogram","help":"How long a stage took.","unit":"seconds"}]"#
        func known(_ tree: SmokeTree, _ metric: String) throws -> Bool {
            try tree.api("GET", "/api/v1/metadata?metric=\(metric)").text.contains("\"\(metric)\":\(told)")
        }
        for metric in ["pipeline_seconds", "pipeline_seconds_count"] {
            try regional.wait("the region knows \(metric)", seconds: 10) { try known(regional, metric) }
            try global.wait("the centre knows \(metric)", seconds: 60) { try known(global, metric) }
        }
        try regional.wait("the event is filed", seconds: 30) { try events(regional).count == 1 }
        #expect(try events(global).isEmpty)
        try global.expectEqualLedgers(seconds: 30)
    }
}
