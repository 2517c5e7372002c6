import Foundation
import Gzip
import MQTT
import PromQL
import TestSupport
import Testing

/// Grafana is not packaged for Debian; its requests are.
@Suite(
    "Grafana's requests", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct QueryGrafanaTests {
    @Test("each is answered without an error, on what the agent measures here; also gzipped")
    func requests() throws {
        let demo = try DemoUnderTest("grafana", options: [])
        defer { demo.stop() }
        let client = demo.client
        let hasRates = try Waiting.until(withinSeconds: 60) {
            let text =
                "count(rate(node_cpu_seconds_total[1m])) > 0 and on () count(max_over_time(node_load1[5m:15s])) > 0"
            let answer = try client.query("/api/v1/query", [("query", text)])
            if case .vector(let vector) = answer.value { return vector.count == 1 }
            return false
        }
        #expect(hasRates, "the agent's samples do not arrive")
        let all = GrafanaRequest.all(now: Int(Date().timeIntervalSince1970))
        #expect(all.count >= 60)
        for request in all {
            let answer =
                try request.form == .get
                ? client.get(request.path, request.parameters) : client.post(request.path, form: request.parameters)
            let text = String(decoding: answer.body, as: UTF8.self)
            let what = "\(request.path) \(request.parameters): \(answer.status) \(text.prefix(300))"
            #expect(answer.status == 200, "\(what)")
            guard request.path.hasPrefix("/api/") else { continue }
            #expect(text.hasPrefix("{\"status\":\"success\",\"data\":"), "\(what)")
            if request.isFilled { #expect(!text.contains("\"data\":[]") && !text.contains("\"result\":[]"), "\(what)") }
        }
        print("\(all.count) requests of Grafana answered")

        var packed = client
        packed.headers.append(("Accept-Encoding", "gzip"))
        let plain = try client.get("/api/v1/series", [("match[]", "{__name__=~\"node_.+\"}")])
        let gzipped = try packed.get("/api/v1/series", [("match[]", "{__name__=~\"node_.+\"}")])
        #expect(gzipped.body.count * 2 < plain.body.count)
        #expect(try GzipInflater.inflate(gzipped.body, boundBytes: 64 << 20).starts(with: "{\"status\"".utf8))
    }
}
