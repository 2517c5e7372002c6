import Glibc
import Interchange
import PromQL
import PromQLScripts
import Snappy
import Synchronization
import Telemetry
import TestSupport
import Testing

/// Prometheus' own scripts over HTTP: loaded by remote write, asked by `query` and `query_range`, each answer read
/// right after the write was answered.
@Suite(
    "Conformance over HTTP", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"),
    .enabled(if: DataDirectories.conformance != nil, "STAGEBOX_CONFORMANCE_DIR is not set"))
struct QueryConformanceTests {
    private static func scripts(_ folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".test") { names.append(name) }
        }
        return names.sorted()
    }

    @Test("every script that passes in process passes over HTTP as it stands", arguments: ScriptClearing.allCases)
    func scripts(clearing: ScriptClearing) throws {
        let folder = try #require(DataDirectories.conformance) + "/promqltest"
        let names = Self.scripts(folder)
        #expect(!names.isEmpty)
        let demo = try DemoUnderTest("conformance")
        defer { demo.stop() }
        let target = HTTPTarget(demo, clearing)
        var passed = 0
        for name in names {
            let script = try Script(String(decoding: try Files.read("\(folder)/\(name)"), as: UTF8.self))
            // Evaluations that meet native histograms are known from the engine: what cannot be pushed is not missed.
            let known = try ScriptRunner(EngineTarget()).run(script)
            try target.clear()
            let outcome = try ScriptRunner(target, skippedLines: known.histogramLines).run(script)
            print(
                "\(name) over HTTP: \(outcome.passed) passed, \(outcome.failures.count) failed, "
                    + "\(outcome.nativeHistograms) need native histograms")
            #expect(outcome.failures == [], "\(name)")
            #expect(outcome.passed == known.passed, "\(name)")
            passed += outcome.passed
        }
        print("\(passed) evaluations over HTTP, \(target.requestCount) requests, cleared by \(clearing)")
    }
}

/// How a script's `clear` is done.
enum ScriptClearing: CaseIterable {
    /// Going on in another, new tenant.
    case tenant
    /// By `delete_series`; what comes after has the same series at the same times.
    case deletion
}

/// A demonstration as the target of scripts. Requests take turns in form (GET, POST) and version (remote write 1.0 and
/// 2.0).
private final class HTTPTarget: ScriptTarget {
    private let demo: DemoUnderTest
    private var client: PrometheusClient
    private var tenantCount = 0
    private(set) var requestCount = 0

    private let clearing: ScriptClearing

    init(_ demo: DemoUnderTest, _ clearing: ScriptClearing) {
        self.demo = demo
        self.clearing = clearing
        client = demo.client
    }

    func clear() throws {
        if clearing == .deletion {
            let answer = try client.post("/api/v1/admin/tsdb/delete_series", form: [("match[]", "{__name__=~\".+\"}")])
            guard answer.status == 204 else { throw ScriptError("delete_series: \(answer.status)") }
            return
        }
        tenantCount += 1
        let name = "script-\(tenantCount)"
        try demo.makeTenant(name)
        client = demo.client(of: name)
    }

    func load(_ series: [(key: SeriesKey, points: [(time: Int64, value: Double?)])]) throws {
        requestCount += 1
        let version = requestCount % 2 == 0 ? RemoteWriteVersion.one : .two
        var encoder = RemoteWriteEncoder(version)
        // The last first: order must not matter.
        for entry in series.reversed() {
            let points = entry.points.compactMap { point in point.value.map { (point.time, $0) } }
            guard !points.isEmpty else { continue }
            encoder.add(entry.key, timestamps: points.map(\.0), values: points.map(\.1))
        }
        let type = version == .one ? "prometheus.WriteRequest" : "io.prometheus.write.v2.Request"
        let (status, text) = try client.push(
            "/api/v1/write", SnappyBlock.compress(encoder.finish()),
            [("Content-Type", "application/x-protobuf;proto=\(type)"), ("Content-Encoding", "snappy")])
        guard status == 204 else { throw ScriptError("remote write: \(status) \(text)") }
    }

    func instant(_ query: String, at time: Int64) throws -> QueryResult {
        try ask("/api/v1/query", [("query", query), ("time", PrometheusClient.seconds(time))])
    }

    func range(_ query: String, start: Int64, end: Int64, step: Int64) throws -> QueryResult {
        try ask(
            "/api/v1/query_range",
            [
                ("query", query), ("start", PrometheusClient.seconds(start)), ("end", PrometheusClient.seconds(end)),
                ("step", PrometheusClient.seconds(step)),
            ])
    }

    private func ask(_ path: String, _ parameters: [(String, String)]) throws -> QueryResult {
        requestCount += 1
        let answer = try client.query(path, parameters, usesForm: requestCount % 2 == 0)
        var annotations = Annotations()
        answer.warnings.forEach { annotations.warn($0) }
        answer.infos.forEach { annotations.inform($0) }
        return QueryResult(value: answer.value, annotations: annotations)
    }
}
