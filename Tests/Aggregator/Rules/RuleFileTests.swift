import Rules
import TestSupport
import Testing

@Suite("Rule files", .ownThread) struct RuleFileTests {
    @Test("good files are read, bad ones named with line, group and rule", arguments: RuleFileTable.cases)
    func table(entry: RuleFileTable.Case) {
        switch RuleFileReader.read(Array(entry.text.utf8), file: "rules.yml") {
        case .success: #expect(entry.isGood)
        case .failure(let errors):
            #expect(!entry.isGood && errors.description.contains(entry.problem), "\(errors)")
            #expect(errors.errors.allSatisfy { $0.description.hasPrefix("rules.yml:") && $0.line > 0 })
        }
    }

    private static let program = "/usr/bin/promtool"

    @Test(
        "promtool judges the same files alike",
        .enabled(if: Files.isExecutable(program), "promtool is not installed"), arguments: RuleFileTable.cases)
    func promtool(entry: RuleFileTable.Case) throws {
        let folder = try TemporaryDirectory("promtool")
        let path = folder.file("rules.yml")
        try Files.write(Array(entry.text.utf8), to: path)
        let process = try ProcessUnderTest([Self.program, "check", "rules", path], output: folder.file("output"))
        let isTaken = process.wait(upToSeconds: 60) == .code(0)
        #expect(isTaken == entry.isGood, "\((try? Files.text(folder.file("output"))) ?? "")")
    }

    @Test("everything that is wrong is told at once")
    func allErrors() {
        let text = "groups:\n- name: g\n  rules:\n  - record: a-b\n    expr: sum(\n    for: 1m\n  - expr: up\n"
        guard case .failure(let errors) = RuleFileReader.read(Array(text.utf8), file: "f") else {
            Issue.record("a bad file is taken")
            return
        }
        #expect(errors.errors.map(\.line) == [5, 6, 4, 7])
        #expect(errors.errors.allSatisfy { $0.group == "g" && $0.rule != nil })
    }

    @Test("a bomb of aliases, endless nesting and any bytes are refused, not followed")
    func bounds() {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let alias = "*a\(level - 1)"
            bomb += "a\(level): &a\(level) [" + Array(repeating: alias, count: 10).joined(separator: ", ") + "]\n"
        }
        let deep = String(repeating: "[", count: 5000)
        for text in [bomb, deep, "groups: \u{0}", "\u{FEFF}groups: [", "%YAML 9.9\n---\ngroups: []"] {
            if case .success(let groups) = RuleFileReader.read(Array(text.utf8), file: "f") {
                #expect(groups.isEmpty, "\(text.prefix(40))")
            }
        }
        guard case .failure = RuleFileReader.read([0xff, 0xfe, 0x00], file: "f") else {
            Issue.record("bytes that are no UTF-8 are taken")
            return
        }
    }

    @Test("groups carry what the file says")
    func content() throws {
        let text = """
            groups:
            - name: one
              interval: 90s
              limit: 7
              rules:
              - record: job:up:sum
                expr: |
                  sum by (job) (up)
                labels: {tier: gold, gone: ""}
              - alert: Down
                expr: up == 0
                for: 2m
            """
        let groups = try RuleFileReader.read(Array(text.utf8), file: "f.yml").get()
        let group = try #require(groups.first)
        #expect(group.name == "one" && group.interval == 90_000 && group.limit == 7 && group.rules.count == 2)
        #expect(group.rules[0].name == "job:up:sum" && group.rules[0].text == "sum by (job) (up)\n")
        #expect(group.rules[0].line == 6 && group.rules[0].labels.count == 2)
        guard case .alerting(let alert) = group.rules[1].kind else {
            Issue.record("no alert")
            return
        }
        #expect(alert.name == "Down" && alert.holds == 120_000)
    }
}
