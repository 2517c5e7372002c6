import Foundation
import Glibc
import MQTT
import PromQL
import TestSupport
import Testing

/// Rule files in a tenant's folder of a real aggregator.
@Suite(
    "Recording rules", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct QueryRulesTests {
    private static func value(_ tree: SmokeTree, _ query: String) throws -> String? {
        let path = "/api/v1/query?" + PrometheusClient.encode([("query", query)])
        let answer = try PrometheusAnswer(status: 200, body: tree.api("GET", path).body)
        guard case .vector(let vector) = answer.value, vector.count == 1 else { return nil }
        return "\(vector.values[0])"
    }

    @Test("files are taken up, changed, kept when they go bad, and their series end when they go")
    func rules() throws {
        let tree = try SmokeTree("rules")
        defer { tree.stopAll() }
        try tree.startCentre()
        let folder = tree.folder.file("aggregator/tenants/\(SmokeTree.tenant)/rules")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        func write(_ text: String) throws { try Files.write(Array(text.utf8), to: folder + "/a.yml") }
        let head = "groups:\n- name: g\n  interval: 1s\n  rules:\n"
        let rules = """
              - record: seven
                expr: vector(7)
                labels: {from: rule}
              - record: eight
                expr: seven + 1
              - alert: Never
                expr: seven > 8
            """
        try write(head + rules)
        try tree.wait("the rules' series", seconds: 30) { try Self.value(tree, "eight{from=\"rule\"}") == "8.0" }
        try tree.wait("their standing", seconds: 10) {
            let text = try tree.api("GET", "/api/v1/rules").text
            return text.contains("\"name\":\"eight\"") && text.contains("\"health\":\"ok\"")
                && text.contains("not evaluated by this version")
        }

        try write(head + "      - record: bad-name\n        expr: 1\n")
        tree.aggregator?.send(SIGHUP)
        try tree.wait("the bad file is told", seconds: 30) {
            try tree.api("GET", "/api/v1/rules").text.contains("a.yml:5: group \\\"g\\\", rule 1")
        }
        let last = try Self.value(tree, "timestamp(eight)")
        try tree.wait("the former rules go on", seconds: 30) { try Self.value(tree, "timestamp(eight)") != last }

        try write(head + rules.replacingOccurrences(of: "vector(7)", with: "vector(70)"))
        try tree.wait("the mended file counts", seconds: 30) { try Self.value(tree, "eight") == "71.0" }
        #expect(try !tree.api("GET", "/api/v1/rules").text.contains("former rules go on"))

        unlink(folder + "/a.yml")
        try tree.wait("the series end with their rules", seconds: 30) { try Self.value(tree, "eight") == nil }
        try tree.wait("their standing ends with them", seconds: 10) {
            try tree.api("GET", "/api/v1/rules").text.contains("\"groups\":[]")
        }
        #expect(tree.aggregator?.isRunning == true)

        try write(head + rules)
        let good = try tree.stagebox(["check", "rules", folder + "/a.yml"])
        #expect(good.isDone && good.text.contains("3 rules in 1 groups"))
        try write(head + "      - record: x\n        expr: sum(\n")
        let bad = try tree.stagebox(["check", "rules", folder + "/a.yml"])
        #expect(!bad.isDone && bad.text.contains("a.yml:6: group \"g\", rule 1, \"x\", could not parse"), "\(bad.text)")
    }
}
