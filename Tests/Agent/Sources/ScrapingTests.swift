import Interchange
import RuntimeSupport
import Sources
import Telemetry
import Testing

@Suite("sources: scraping")
struct ScrapingTests {
    private let now = Timestamp(seconds: 1_767_225_600)
    private let limits = ScrapeReader.Limits(bodyBytesMax: 10_000, samplesMax: 5)

    private func groups(_ text: String) throws(TargetFileError) -> [TargetGroup] {
        var result: Result<[TargetGroup], TargetFileError>?
        Array(text.utf8).withUnsafeBytes { bytes in
            result = Result { () throws(TargetFileError) in try TargetFile.parse(bytes) }
        }
        return try result?.get() ?? []
    }

    @Test("file_sd's JSON names targets and labels")
    func files() throws {
        let found = try groups(#"[{"targets":["a:1","b:2"],"labels":{"env":"prod"}},{"targets":[]}]"#)
        #expect(found.count == 2 && found[0].targets == ["a:1", "b:2"] && found[0].labels == [Label("env", "prod")])
    }

    @Test(
        "a file with a fault is refused with the line",
        arguments: [
            ("- targets: [a]", 1), ("[\n{\"targets\":\n[1]}]", 3), (#"[{"x":1}]"#, 1), ("[]\n[]", 2), ("[", 1),
            (#"[{"targets":["a"],"labels":{"":"x"}}]"#, 1), (#"[{"labels":{"__name__":"x"}}]"#, 1), ("", 1),
        ])
    func badFiles(text: String, line: Int) throws {
        let error = try #require(throws: TargetFileError.self) { try groups(text) }
        #expect(error.line == line, "\(error)")
    }

    @Test("file_sd's YAML says what its JSON says")
    func yaml() throws {
        let text = """
            # as Prometheus' documentation has it
            - targets: ['a:1', b:2]
              labels:
                env: prod
                port: 9100
                "quoted": "yes"   # no truth value
            - targets:
              - c:3
            - labels: &shared {x: ~}
              targets: []
            """
        let found = try TargetFile.parse(yaml: Array(text.utf8))
        #expect(found.map(\.targets) == [["a:1", "b:2"], ["c:3"], []])
        #expect(found[0].labels == [Label("env", "prod"), Label("port", "9100"), Label("quoted", "yes")])
        #expect(found[2].labels == [Label("x", "")])
        #expect(try TargetFile.parse(yaml: []).isEmpty)
        let json = #"[{"targets":["a:1"],"labels":{"env":"prod"}}]"#
        #expect(try TargetFile.parse(yaml: Array(json.utf8)) == groups(json))
        #expect(TargetFile.isYAML("/a/b.yml") && TargetFile.isYAML("b.yaml") && !TargetFile.isYAML("b.json"))
    }

    @Test(
        "a YAML file with a fault is refused with the line",
        arguments: [
            ("targets: [a]", 1), ("- targets: a", 1), ("- a", 1), ("- targets: [a]\n  port: 1", 2),
            ("- targets:\n  - [a]", 2), ("- labels: {__name__: x}", 1), ("- labels:\n    \"\": x", 2),
            ("- labels: [x]", 1), ("- targets: [a", 2), ("- targets: [a]\n  targets: [b]", 2), ("- labels: {a: {}}", 1),
        ])
    func badYAML(text: String, line: Int) throws {
        let error = try #require(throws: TargetFileError.self) { try TargetFile.parse(yaml: Array(text.utf8)) }
        #expect(error.line == line, "\(error)")
    }

    @Test("any bytes of YAML give targets or a fault", arguments: 0..<200)
    func fuzzYAML(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array("- targets: ['a:1', &x b:2]\n  labels: {env: prod, <<: *x}\n- targets:\n  - c\n".utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        let found = (try? TargetFile.parse(yaml: bytes)) ?? []
        #expect(found.count <= 3)
    }

    @Test("any bytes give targets or a fault", arguments: 0..<200)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(#"[{"targets":["a:1","b:2"],"labels":{"env":"prod","__param_x":"y"}}]"#.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        let found = (try? groups(String(decoding: bytes, as: UTF8.self))) ?? []
        for group in found {
            for text in group.targets { _ = ScrapeTarget.make(text, group, job: "j", rules: []) }
        }
        #expect(found.count <= 1)
    }

    private func target(
        _ text: String, _ labels: [(String, String)] = [], rules: [String] = []
    ) throws -> ScrapeTarget.Outcome {
        var group = TargetGroup()
        group.labels = labels.map { Label($0.0, $0.1) }
        return ScrapeTarget.make(text, group, job: "job", rules: try rules.map { try RelabelRule($0) })
    }

    @Test("a target gets its address from its labels, and keeps those of its own")
    func targets() throws {
        let labels = [
            ("__metrics_path__", "/probe"), ("__param_module", "a b"), ("__meta_x", "y"), ("env", "prod"),
            ("job", "web"),
        ]
        guard case .target(let made) = try target("h:9115", labels) else {
            Issue.record("no target")
            return
        }
        #expect(made.address == HTTPTarget(host: "h", port: 9115, path: "/probe?module=a%20b"))
        #expect(
            made.labels == [Label("env", "prod"), Label("exported_instance", "h:9115"), Label("exported_job", "web")])
    }

    @Test("targets that cannot be scraped say why; rules drop others")
    func otherTargets() throws {
        #expect(try target("h:1", [("__scheme__", "https")]) == .invalid("h:1: only plain http can be scraped"))
        #expect(try target("a b") == .invalid("a b: is not of the form host:port"))
        #expect(try target("h:1", [("env", "test")], rules: ["drop env test|dev"]) == .dropped)
        #expect(try target("h:1", [("env", "testing")], rules: ["drop env test|dev"]) != .dropped)
        #expect(try target("h:1", rules: ["keep job,__address__ job;h:.*"]) != .dropped)
        #expect(try target("h:1", rules: ["keep job other"]) == .dropped)
    }

    @Test("rules that cannot be read say why", arguments: ["", "keep a", "replace a b", "keep a (", "keep a,, b"])
    func badRules(text: String) {
        #expect(throws: RelabelRule.Refusal.self) { try RelabelRule(text) }
    }

    // MARK: bodies

    @Test("what a target says of its metrics is read with them, where it says anything")
    func families() throws {
        var reader = try reader()
        let text = "# TYPE a counter\n# HELP a How many.\na 1\n# TYPE b gauge\nb 2\n"
        let scraped = try Array(text.utf8).withUnsafeBytes {
            try reader.read($0, contentType: "text/plain; version=0.0.4", now: now)
        }
        #expect(scraped.families.map(\.name) == ["a"] && scraped.families.first?.help == "How many.")
        #expect(scraped.families.first?.type == .counter && scraped.readings.count == 2)
    }

    private func reader(rules: [String] = [], honorsLabels: Bool = false) throws -> ScrapeReader {
        let target = ScrapeTarget(
            address: HTTPTarget(host: "h", port: 1, path: "/"),
            labels: [Label("exported_instance", "h:1"), Label("exported_job", "job"), Label("env", "prod")])
        return ScrapeReader(
            target: target, rules: try rules.map { try RelabelRule($0) }, honorsLabels: honorsLabels, limits: limits)
    }

    private func read(
        _ text: String, _ reader: inout ScrapeReader, type: String? = nil
    ) throws(InterchangeError) -> ScrapeReader.Scraped {
        var result: Result<ScrapeReader.Scraped, InterchangeError>?
        Array(text.utf8).withUnsafeBytes { bytes in
            result = Result { () throws(InterchangeError) in
                try reader.read(bytes, contentType: type, now: now)
            }
        }
        return try result?.get() ?? ScrapeReader.Scraped()
    }

    private func labels(_ reading: SourceReading) -> String {
        reading.key.labels.filter { $0.name != SeriesKey.nameLabel }.map { "\($0.name)=\($0.value)" }
            .joined(separator: ",")
    }

    @Test(
        "conflicting labels are resolved as Prometheus does",
        arguments: [
            (false, "m{a=\"1\"} 1", "a=1,env=prod,exported_instance=h:1,exported_job=job"),
            (false, "m{env=\"x\"} 1", "env=prod,exported_env=x,exported_instance=h:1,exported_job=job"),
            (
                false, "m{instance=\"i\",job=\"j\"} 1",
                "env=prod,exported_exported_instance=i,exported_exported_job=j,exported_instance=h:1,exported_job=job"
            ),
            (false, "m{region=\"r\"} 1", "env=prod,exported_instance=h:1,exported_job=job,exported_region=r"),
            (true, "m{instance=\"i\",env=\"x\"} 1", "env=x,exported_instance=i,exported_job=job"),
        ])
    func conflicts(honorsLabels: Bool, text: String, expected: String) throws {
        var reader = try reader(honorsLabels: honorsLabels)
        let scraped = try read(text + "\n", &reader)
        #expect(scraped.readings.map(labels) == [expected])
        let again = try read(text + "\n", &reader)
        #expect(again.readings == scraped.readings)
    }

    @Test("types, starts and own timestamps travel along; samples can be dropped by rule")
    func samples() throws {
        var reader = try reader(rules: ["drop __name__ go_.*"])
        let text =
            "# TYPE a counter\na_total 5\na_created 1767225000\n# TYPE go_x gauge\ngo_x 1\n# TYPE t gauge\nt 1 1767225599\n# EOF\n"
        let scraped = try read(text, &reader, type: "application/openmetrics-text; version=1.0.0")
        #expect(scraped.sampleCount == 4 && scraped.readings.count == 3)
        #expect(scraped.readings[0].type == .counter && scraped.readings[0].startMilliseconds == 1_767_225_000_000)
        #expect(scraped.readings[2].timestampMilliseconds == 1_767_225_599_000)
        let old = try read("m 1 1000\n", &reader)
        #expect(old.readings.isEmpty && old.drops[.outOfTime] == 1)
    }

    @Test("a scrape fails as a whole at its bounds, for bad text and for other media types")
    func failures() throws {
        var reader = try reader()
        #expect(throws: InterchangeError.self) { try read("a 1\nb 1\nc 1\nd 1\ne 1\nf 1\n", &reader) }
        #expect(throws: InterchangeError.self) { try read("a x\n", &reader) }
        #expect(throws: InterchangeError.self) { try read("<html>", &reader, type: "text/html") }
        #expect(throws: InterchangeError.self) { try read(String(repeating: "#\n", count: 6000), &reader) }
    }

    @Test("each scrape says how it went")
    func health() throws {
        let health = try reader().health(isUp: true, durationSeconds: 0.25, sampleCount: 4, keptCount: 3)
        #expect(
            health.map(\.key.name) == [
                "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling",
            ])
        #expect(health.map(\.value) == [1, 0.25, 4, 3])
    }
}
