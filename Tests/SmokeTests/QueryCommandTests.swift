import MQTT
import TestSupport
import Testing

/// `stagebox query` against a real aggregator.
@Suite(
    "stagebox query", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct QueryCommandTests {
    @Test("tables, charts, JSON, and errors with their place")
    func command() throws {
        let tree = try SmokeTree("query-command")
        defer { tree.stopAll() }
        try tree.startCentre(["--retention", "off"])
        var lines = ""
        for minute in 0...60 {
            for (room, value) in [("hall", minute), ("foyer", 60 - minute)] {
                lines += "level{room=\"\(room)\",site=\"x\"} \(value) \(minute * 60_000)\n"
            }
        }
        lines += "odd{text=\"a\u{1B}[31mb\"} 1 0\n"
        let pushed = try tree.exchange("POST", "/api/v1/import/prometheus", body: Array(lines.utf8))
        #expect(pushed.status == 204, "\(pushed.text)")

        let table = try tree.stagebox(["query", "sort(level)", "--time", "600"])
        #expect(
            table.isDone
                && table.text == """
                    level{site="x"}
                    room   value
                    ─────  ─────
                    hall      10
                    foyer     50
                    2 series

                    """,
            "\(table.text)")
        let scalar = try tree.stagebox(["query", "1 + 1"])
        #expect(scalar.isDone && scalar.text == "2\n")
        let range = try tree.stagebox([
            "query", "level{room=\"hall\"}", "--time", "120", "--range", "2m", "--step", "1m",
        ])
        #expect(
            range.isDone
                && range.text == """
                    level{room="hall", site="x"}
                    time (UTC)           value
                    ───────────────────  ─────
                    1970-01-01 00:00:00      0
                    1970-01-01 00:01:00      1
                    1970-01-01 00:02:00      2

                    """,
            "\(range.text)")
        let json = try tree.stagebox(["query", "level{room=\"hall\"}", "--time", "60", "--json"])
        #expect(
            json.isDone && json.text.contains("\"value\":[60,\"1\"]") && json.text.hasPrefix("{\"status\":\"success\""))

        for width in [40, 100] {
            let chart = try tree.stagebox([
                "query", "level", "--time", "3600", "--range", "1h", "--step", "1m", "--chart", "--width", "\(width)",
            ])
            let rows = chart.text.split(separator: "\n")
            #expect(chart.isDone && rows.count == 20, "\(chart.text)")
            #expect(rows.allSatisfy { $0.count <= width }, "\(chart.text)")
            #expect(rows[0].hasPrefix("60 ┤a") && rows[15].hasPrefix(" 0 ┤b"), "\(chart.text)")
            #expect(chart.text.contains("00:00:00") && chart.text.contains("01:00:00 UTC"))
            #expect(chart.text.contains("a level{room=\"foyer\", site=\"x\"}"))
        }
        let single = try tree.stagebox(["query", "level{room=\"hall\"}", "--time", "3600", "--chart", "--width", "60"])
        #expect(single.isDone && single.text.contains("⡠") || single.text.contains("⠔"), "\(single.text)")
        let odd = try tree.stagebox(["query", "odd", "--time", "1"])
        #expect(odd.isDone && !odd.text.contains("\u{1B}"), "\(odd.text)")

        let wrong = try tree.stagebox(["query", "sum by (room) (level"])
        #expect(
            !wrong.isDone
                && wrong.text.contains("  sum by (room) (level\n" + String(repeating: " ", count: 22) + "^\n"),
            "\(wrong.text)")
        let unknown = try tree.stagebox(["query", "1 + summ(level)"])
        #expect(!unknown.isDone && unknown.text.contains("  1 + summ(level)\n      ^\n"), "\(unknown.text)")
        // The server takes the stable language only.
        let experimental = try tree.stagebox(["query", "limitk(1, level)"])
        #expect(!experimental.isDone && experimental.text.contains("  limitk(1, level)\n  ^\n"), "\(experimental.text)")
        let option = try tree.stagebox(["query", "level", "--range", "yesterday"])
        #expect(!option.isDone && option.text.contains("--range"))
        let nobody = try tree.stagebox([
            "query", "level", "--url", "http://127.0.0.1:\(tree.httpPort)", "--token", "sbx_x",
        ])
        #expect(!nobody.isDone && nobody.text.contains("401"))
    }
}
