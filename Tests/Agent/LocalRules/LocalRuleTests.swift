import LocalRules
import Telemetry
import Testing

@Suite("The language of local rules") struct LocalRuleTests {
    private func rule(_ text: String) throws -> LocalRule { try LocalRule(name: "r", text) }

    @Test("a rule says what it looks at, what it compares, for how long, what ends it and how much it weighs")
    func whole() throws {
        let rule = try rule(
            #"node_filesystem_avail_bytes{mountpoint="/",fstype!~"tmpfs|ramfs"} / node_filesystem_size_bytes < 0.1"#
                + " for 1m30s until > 1.5e-1 severity critical")
        guard case .ratio(let left, let right) = rule.expression else {
            Issue.record("\(rule.expression)")
            return
        }
        #expect(left.selector.matchers.count == 3 && right.selector.matchers.count == 1 && !left.isSum)
        #expect(rule.condition == RuleCondition(operator: .less, threshold: 0.1))
        #expect(rule.holdMilliseconds == 90_000 && rule.severity == .critical)
        #expect(rule.release == RuleCondition(operator: .greater, threshold: 0.15))
        #expect(
            left.selector.matches(
                SeriesKey(
                    name: "node_filesystem_avail_bytes", labels: [Label("mountpoint", "/"), Label("fstype", "ext4")])))
        #expect(
            !left.selector.matches(
                SeriesKey(
                    name: "node_filesystem_avail_bytes", labels: [Label("mountpoint", "/"), Label("fstype", "tmpfs")])))
    }

    @Test("rates, sums, absence, clauses in any order, a metric that is called as a function")
    func forms() throws {
        let rate = try rule("rate(node_network_receive_errs_total[60s])>=10").expression
        #expect(rate.operands[0].rateWindow == 60_000 && !rate.isSingle)
        let sums = try rule(#"sum(rate(a{code=~"5.."}[5m])) / sum(rate(a[5m])) > 0.05 severity info for 1h"#)
        #expect(sums.expression.isSingle && sums.severity == .info && sums.holdMilliseconds == 3_600_000)
        let absent = try rule("absent(up{job='icecast'}) for 30s")
        #expect(absent.condition == nil && absent.expression.isSingle && absent.severity == .warning)
        #expect(try rule("rate > 1").expression.operands[0].rateWindow == nil)
        #expect(try rule("{__name__=~\"node_load.*\"} != -1").condition?.threshold == -1)
        #expect(try rule("a:b:c == 0").holdMilliseconds == 0)
    }

    @Test(
        "an error names its position, what was expected there and what stands there",
        arguments: [
            ("", 1, "a metric's name"), ("node_load1", 11, "a comparison"), ("node_load1 > much", 14, "a number"),
            ("node_load1 > 1e999", 14, "a number"), ("a{b} > 1", 4, "=, !=, =~ or !~"), ("a{b=c} > 1", 5, "quotes"),
            ("a{b=\"c} > 1", 12, "a closing quote"), ("a{b=~\"(\"} > 1", 6, "a regular expression"),
            ("a{b=\"c\" d=\"e\"} > 1", 9, "\"}\""), ("a > 1 for", 10, "a duration"), ("a > 1 for 60", 11, "a duration"),
            ("a > 1 for 2d", 11, "a duration"), ("a > 1 for 1s for 2s", 14, "each clause once"),
            ("a > 1 until 5", 13, "a comparison"), ("a > 1 severity bad", 16, "info, warning or critical"),
            ("a > 1 please", 7, "\"for\""), ("rate(a) > 1", 7, "\"[\""), ("rate(a[0s]) > 1", 8, "a duration"),
            ("sum(a) / b > 1", 9, "a sum on both sides"), ("absent(a) > 1", 11, "\"for\""),
            ("absent(a) until > 1", 11, "\"for\""), ("{a!=\"b\"} > 1", 1, "a metric's name"), ("{} > 1", 1, "a metric"),
            ("sum(sum(a)) > 1", 8, "\")\""),
        ] as [(String, Int, String)])
    func errors(text: String, position: Int, expected: String) {
        do {
            _ = try LocalRule(name: "r", text)
            Issue.record("\(text) is a rule")
        } catch {
            #expect(error.position == position && error.expected.contains(expected), "\(text): \(error)")
            #expect(error.description.hasPrefix("position \(position): expected "))
        }
    }

    @Test("names and texts are bounded")
    func bounds() throws {
        #expect(LocalRule.isName("disk-full_2") && !LocalRule.isName("Disk") && !LocalRule.isName(""))
        #expect(!LocalRule.isName(String(repeating: "a", count: 65)))
        let matchers = (0..<17).map { "l\($0)=\"x\"" }.joined(separator: ",")
        #expect(throws: RuleError.self) { try rule("{\(matchers)} > 1") }
    }

    @Test("any bytes are a rule or an error")
    func total() {
        let original = Array(#"sum(rate(a{b=~"c|d"}[5m])) / sum(e) >= 1.5 for 1m until < 1 severity info"#.utf8)
        var state: UInt64 = 7
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var read = 0
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0...random(3) { bytes[random(bytes.count)] = UInt8(random(256)) }
            if random(4) == 0 { bytes.removeLast(random(bytes.count)) }
            if (try? LocalRule(name: "r", String(decoding: bytes, as: UTF8.self))) != nil { read += 1 }
        }
        #expect(read > 0)
    }
}
