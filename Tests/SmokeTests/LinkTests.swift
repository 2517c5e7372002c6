import Foundation
import Glibc
import Interchange
import MQTT
import PromQL
import Snappy
import Telemetry
import TestSupport
import Testing

/// Other systems that read from the aggregator, with a real one at the other end.
@Suite(
    "Links to other systems", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"),
    .enabled(if: RealPrometheus.isThere, "Debian's prometheus is not installed"))
struct LinkTests {
    private static let writeHeaders = [
        (name: "Content-Type", value: "application/x-protobuf"), (name: "Content-Encoding", value: "snappy"),
        (name: "X-Prometheus-Remote-Write-Version", value: "0.1.0"),
    ]

    private static func push(_ client: PrometheusClient, _ body: [UInt8]) throws {
        let (status, text) = try client.push("/api/v1/write", SnappyBlock.compress(body), writeHeaders)
        #expect(status == 204, "\(text)")
    }

    @Test("a real Prometheus federates from us: the same samples at the same milliseconds, labels honoured")
    func federation() throws {
        let demo = try DemoUnderTest("federation")
        defer { demo.stop() }
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        // An odd millisecond, which fractions of seconds would lose.
        let time = Int64(clock.tv_sec) * 1000 - 20_000 + 123
        var encoder = RemoteWriteEncoder(.one)
        let keys = (0..<300).map { number in
            SeriesKey(
                name: "level",
                labels: [Label("n", "\(number)"), Label("job", "a"), Label("note", "q\"\\\n☃")]
                    + (number % 2 == 0 ? [Label("instance", "i\(number)")] : []))
        }
        for (number, key) in keys.enumerated() {
            encoder.add(key, timestamps: [time - 1000, time + Int64(number)], values: [0, Double(number) / 7])
        }
        encoder.add(SeriesKey(name: "unwanted"), timestamps: [time], values: [1])
        try Self.push(demo.client, encoder.finish())
        let peer = try RealPrometheus(
            configuration: """
                global: {scrape_interval: 1s, scrape_timeout: 1s}
                scrape_configs:
                - job_name: federate
                  honor_labels: true
                  metrics_path: /federate
                  params: {'match[]': ['level', '{__name__=~"lev.*"}']}
                  authorization: {credentials: '\(demo.adminToken)'}
                  static_configs: [{targets: ['127.0.0.1:\(demo.port)']}]

                """)
        defer { peer.stop() }
        var found: [SeriesKey: (Int64, Double)] = [:]
        let isThere = Waiting.until(withinSeconds: 60) {
            let parameters = [("query", "{__name__=~\"level|unwanted\"}[10m]")]
            guard case .matrix(let matrix)? = try? peer.client.query("/api/v1/query", parameters).value else {
                return false
            }
            found = [:]
            for series in matrix.series {
                guard let time = series.timestamps.last, let value = series.values.last else { continue }
                found[SeriesKey(labels: series.labels.labels)] = (time, value)
            }
            return found.count >= keys.count
        }
        #expect(isThere && found.count == keys.count, "\(found.count) series")
        for (number, key) in keys.enumerated() {
            #expect(found[key]?.0 == time + Int64(number) && found[key]?.1 == Double(number) / 7, "\(key)")
        }
    }

    @Test("a real Prometheus answers queries from our remote read as we answer them ourselves")
    func remoteRead() throws {
        let demo = try DemoUnderTest("remote-read")
        defer { demo.stop() }
        let series = RandomSeries(seed: 11)
        try Self.push(demo.client, series.body)
        let peer = try RealPrometheus(
            configuration: """
                remote_read:
                - url: http://127.0.0.1:\(demo.port)/api/v1/read
                  read_recent: true
                  authorization: {credentials: '\(demo.adminToken)'}

                """)
        defer { peer.stop() }
        let start = RandomSeries.start / 1000
        for query in [
            "level", "{job=~\"a|b\",zone!=\"x\",__name__=\"load\"}", "count by (__name__) ({job=\"c\"})",
            "max_over_time(sparse[9m])", "absent(nothing)", "wait_bucket{le!~\"0.1|5\"}",
        ] {
            let parameters = [
                ("query", query), ("start", "\(start + 77)"), ("end", "\(start + 3077)"), ("step", "60"),
            ]
            let ours = try demo.client.get("/api/v1/query_range", parameters)
            let theirs = try peer.client.get("/api/v1/query_range", parameters)
            #expect(ours.status == 200 && theirs.status == 200)
            #expect(ours.body == theirs.body, "\(query): \(String(decoding: theirs.body.prefix(300), as: UTF8.self))")
            #expect(ours.body.count > 100)
        }
    }

    @Test("what is stored arrives at a real Prometheus, exactly, over kill -9 of both ends")
    func forwarding() throws {
        let peer = try RealPrometheus()
        defer { peer.stop() }
        let tree = try SmokeTree("forwarding")
        defer { tree.stopAll() }
        let settings = tree.folder.file("aggregator.yaml")
        try Files.write(
            Array(
                """
                remote-write.\(SmokeTree.tenant):
                  url: http://127.0.0.1:\(peer.port)/api/v1/write
                  match: '{job!="private"}'
                  max-samples-per-send: 170

                """.utf8), to: settings)
        try tree.startCentre(["--config", settings])
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let start = Int64(clock.tv_sec) * 1000 - 1_200_000
        for slice in Int64(0)..<40 {
            var encoder = RemoteWriteEncoder(.one)
            for number in 0..<60 {
                let job = number % 10 == 9 ? "private" : "public"
                encoder.add(
                    SeriesKey(name: "level", labels: [Label("job", job), Label("n", "\(number)")]),
                    timestamps: (0..<5).map { start + slice * 20_000 + $0 * 3000 + Int64(number) },
                    values: (0..<5).map { Double(slice) + Double($0 * number) / 7 })
            }
            let answer = try tree.exchange(
                "POST", "/api/v1/write", headers: Self.writeHeaders, body: SnappyBlock.compress(encoder.finish()))
            #expect(answer.status == 204, "\(answer.text)")
            switch slice {
            case 10: peer.stop()
            case 20: try peer.start()
            case 15, 27, 33:
                tree.killAggregator()
                try tree.startAggregator()
            default: break
            }
        }
        let end = "\(start / 1000 + 900)"
        let wanted = try tree.api(
            "GET", "/api/v1/query?" + PrometheusClient.encode([("query", "level{job=\"public\"}[30m]"), ("time", end)]))
        #expect(wanted.text.split(separator: "\"metric\"").count == 55)
        var found: [UInt8] = []
        let isThere = try Waiting.until(withinSeconds: 90) {
            found = try peer.client.get("/api/v1/query", [("query", "level[30m]"), ("time", end)]).body
            return found == wanted.body
        }
        #expect(isThere, "\(found.count) bytes, not \(wanted.body.count)")
        let metrics = try tree.api("GET", "/metrics").text.split(separator: "\n").filter { $0.contains("_forward_") }
        print("forwarding:", metrics.joined(separator: "; "))
    }

    @Test("limits.conf is obeyed within seconds of its change, while the aggregator runs")
    func limits() throws {
        let tree = try SmokeTree("limits")
        defer { tree.stopAll() }
        try tree.startCentre()
        let text = (0..<100).map { "m{n=\"\($0)\"} 1\n" }.joined()
        func push() throws -> Int {
            try tree.exchange("POST", "/api/v1/import/prometheus", body: Array(text.utf8)).status
        }
        #expect(try push() == 204)
        let path = tree.folder.file("aggregator/limits.conf")
        try Files.write(Array("\(SmokeTree.tenant)  samples-per-second=1\n".utf8), to: path)
        try tree.wait("pushes are limited", seconds: 30) { try push() == 429 }
        try Files.write(Array("*  queries=5\n".utf8), to: path)
        try tree.wait("pushes are not limited any more", seconds: 30) { try push() == 204 }
    }
}
