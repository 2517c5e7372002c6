import Actions
import RuntimeSupport
import Telemetry
import Testing

@Suite("The guard file's actions") struct ActionReadingTests {
    private func read(_ text: String) throws -> [LocalAction] {
        try LocalAction.read(try SettingsDocument(text, source: "guard.yaml"))
    }

    @Test("an action says what it does, for which findings, how often and how long")
    func whole() throws {
        let actions = try read(
            """
            webhook-hosts: pager.lan, other
            actions:
              note: log
              free: exec /usr/local/sbin/free-space --now  all
              free.match: rule=disk-full, rule=inodes, severity=critical
              free.on: opened
              free.rate: 6
              free.timeout: 30 s
              page: webhook http://pager.lan:9000/a?b=c
              local: webhook http://[::1]/x
            """)
        #expect(actions.map(\.name) == ["free", "local", "note", "page"])
        #expect(actions[0].kind == .exec(path: "/usr/local/sbin/free-space", arguments: ["--now", "all"]))
        #expect(actions[0].match.rules == ["disk-full", "inodes"] && actions[0].match.severityMin == .critical)
        #expect(actions[0].match.takesOpened && !actions[0].match.takesClosed)
        #expect(actions[0].ratePerHour == 6 && actions[0].timeoutMilliseconds == 30_000)
        #expect(actions[2].kind == .log && actions[2].ratePerHour == LocalAction.rateStandard)
    }

    @Test(
        "what it may not be is refused with its line",
        arguments: [
            "actions.a: reboot", "actions.a: exec", "actions.a: exec script.sh", "actions.a: exec /",
            "actions.a: log x",
            "actions.a: webhook http://example.org/", "actions.a: webhook https://127.0.0.1/",
            "actions.a: webhook http://127.example.org/", "actions.a.rate: 5", "actions.a: log\nactions.a.rate: 0",
            "actions.a: log\nactions.a.rate: 361", "actions.a: log\nactions.a.timeout: 6 min",
            "actions.a: log\nactions.a.on: never", "actions.a: log\nactions.a.match: colour=red",
            "actions.a: log\nactions.a.match: severity=bad", "actions.a: log\nactions.a.shell: on",
        ])
    func refusals(text: String) {
        let error = #expect(throws: SettingsError.self) { try read(text) }
        #expect((error?.line ?? 0) > 0)
    }

    @Test("actions are bounded")
    func bounds() {
        let text = (0...LocalAction.actionsMax).map { "actions.a\($0): log" }.joined(separator: "\n")
        #expect(throws: SettingsError.self) { try read(text) }
    }

    @Test("a finding must fit rule, group, severity and state")
    func matching() throws {
        func accepts(_ match: String, _ finding: Finding) throws -> Bool {
            try read("actions.a: log\nactions.a.match: \(match)")[0].match.accepts(finding)
        }
        let strange = Samples.detected
        let full = Samples.rule(severity: .critical)
        #expect(try accepts("group=cpu", strange) && !accepts("group=disk", strange))
        #expect(try !accepts("rule=disk-full", strange) && accepts("rule=disk-full, rule=x", full))
        #expect(try accepts("severity=warning", strange) && !accepts("severity=critical", strange))
        #expect(try accepts("severity=critical, group=disk", full) && !accepts("severity=critical, group=cpu", full))
    }
}
