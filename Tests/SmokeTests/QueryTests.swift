import MQTT
import TestSupport
import Testing

/// Samples pushed to the real aggregator and asked for in PromQL over HTTP.
@Suite(
    "Pushing and querying", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct QueryTests {
    private func query(_ tree: SmokeTree, _ text: String) throws -> (status: Int, text: String) {
        let answer = try tree.exchange(
            "POST", "/api/v1/query", headers: [("Content-Type", "application/x-www-form-urlencoded")],
            body: Array(text.utf8))
        return (answer.status, answer.text)
    }

    @Test("an exposition of any time is stored before it is answered, and PromQL finds it, also after kill -9")
    func pushAndAsk() throws {
        let tree = try SmokeTree("query")
        defer { tree.stopAll() }
        try tree.startCentre(["--retention", "off"])
        var lines = "# TYPE requests_total counter\n"
        for minute in (0...20).reversed() {
            for (code, step) in [("200", 60), ("500", 6)] {
                lines += "requests_total{code=\"\(code)\"} \(minute * step) \(minute * 60_000)\n"
            }
        }
        let pushed = try tree.exchange(
            "POST", "/api/v1/import/prometheus", headers: [("Content-Type", "text/plain; version=0.0.4")],
            body: Array(lines.utf8))
        #expect(pushed.status == 204, "\(pushed.text)")
        let influx = try tree.exchange(
            "POST", "/api/v2/write?precision=s", body: Array("cpu,host=a usage=12.5,idle=3i 600\nbroken line\n".utf8))
        #expect(influx.status == 400 && influx.text.contains("2 samples stored"), "\(influx.text)")

        for round in 0..<2 {
            let rate = try query(tree, "query=sum(rate(requests_total[5m]))&time=900")
            #expect(rate.text.contains(#""value":[900,"1.1"]"#), "\(rate)")
            let usage = try query(tree, "query=cpu_usage%7Bhost%3D%22a%22%7D&time=700")
            #expect(usage.text.contains(#"{"__name__":"cpu_usage","host":"a"},"value":[700,"12.5"]"#), "\(usage)")
            let range = try tree.exchange(
                "GET", "/api/v1/query_range?query=requests_total&start=0&end=120&step=1m")
            let values = #""values":[[0,"0"],[60,"60"],[120,"120"]]"#
            #expect(range.text.contains(#""resultType":"matrix""#) && range.text.contains(values), "\(range.text)")
            if round == 0 {
                tree.killAggregator()
                try tree.startAggregator()
            }
        }
        let types = try tree.exchange("GET", "/api/v1/metadata")
        #expect(types.text.contains(#""requests_total":[{"type":"counter","help":"","unit":""}]"#), "\(types.text)")
        let names = try tree.exchange("GET", "/api/v1/label/__name__/values?match[]=requests_total")
        #expect(names.text == #"{"status":"success","data":["requests_total"]}"#)
    }

    @Test("what cannot be answered is said in the words that Prometheus's clients know")
    func errors() throws {
        let tree = try SmokeTree("query-errors")
        defer { tree.stopAll() }
        try tree.startCentre()
        let cases: [(String, Int, [String])] = [
            ("query=sum(", 400, ["bad_data", "parse error"]),
            ("query=up%5B5m%5D%5B1m%5D", 400, ["bad_data"]),
            ("", 400, ["bad_data", "query"]),
            ("query=up&time=yesterday", 400, ["bad_data", "time"]),
            ("query=label_replace(vector(1),%22x%22,%22%22,%22a%22,%22(%22)", 422, ["execution"]),
        ]
        for (form, status, texts) in cases {
            let answer = try query(tree, form)
            #expect(answer.status == status && texts.allSatisfy { answer.text.contains($0) }, "\(form): \(answer)")
            #expect(answer.text.contains(#""status":"error""#), "\(answer.text)")
        }
        let old = try tree.exchange(
            "POST", "/api/v1/import/prometheus", body: Array("ancient 1 1000\nrecent 2\n".utf8))
        #expect(old.status == 400 && old.text.contains("1 samples older than the retention"), "\(old.text)")
        let kept = try query(tree, "query=recent")
        #expect(kept.text.contains(#""2"]"#), "\(kept)")
    }
}
