import AggregatorCore
import RuntimeSupport
import Store
import Telemetry
import Testing

@Suite("aggregator settings")
struct AggregatorSettingsTests {
    private func read(
        _ text: String? = nil, environment: [String: String] = [:], flags: [(key: String, value: String)] = []
    ) throws -> AggregatorConfiguration {
        try AggregatorSettings.configuration(
            file: text.map { try SettingsDocument($0, source: "aggregator.yaml") }, environment: environment,
            flags: flags)
    }

    @Test("an empty file, and none, give the defaults")
    func empty() throws {
        for text in [nil, "", "# nothing\n"] as [String?] {
            let configuration = try read(text)
            #expect(configuration.httpPort == 8480 && configuration.brokerPort == 8883)
            #expect(configuration.dataDirectory == "/var/lib/stagebox-aggregator")
            #expect(configuration.webRoot == "/usr/share/stagebox/dashboard")
            #expect(configuration.logLevel == "info" && configuration.parallelWorkers == 8)
            #expect(!configuration.allowsExperimentalQueries && configuration.forwarding.isEmpty)
        }
    }

    @Test("flags win over the environment, the environment over the file")
    func precedence() throws {
        let text = "http:\n  host: 0.0.0.0\n  port: 1\nbroker:\n  port: 2\ntenants: a, b\nweb-root: none\n"
        let environment = [
            "STAGEBOX_AGGREGATOR_HTTP_PORT": "3", "STAGEBOX_AGGREGATOR_BROKER_PORT": "", "PARALLEL_WORKERS": "4",
        ]
        let fromBoth = try read(text, environment: environment)
        #expect(fromBoth.httpHost == "0.0.0.0" && fromBoth.httpPort == 3 && fromBoth.brokerPort == 2)
        #expect(fromBoth.parallelWorkers == 4 && fromBoth.tenants == ["a", "b"] && fromBoth.webRoot == nil)
        let fromAll = try read(text, environment: environment, flags: [("http.port", "5"), ("tenants", "c")])
        #expect(fromAll.httpPort == 5 && fromAll.tenants == ["c"])
        #expect(try read("promql:\n  experimental: on\n").allowsExperimentalQueries)
    }

    @Test(
        "a value that cannot be used is named with its place",
        arguments: [
            ("http:\n  port: 70000\n", "aggregator.yaml:2: http.port: \"70000\" use 0 to 65535"),
            ("\nlog-level: loud\n", "aggregator.yaml:2: log-level: \"loud\" use debug, info, warning or error"),
            ("broker:\n  address: a b\n", "aggregator.yaml:2: broker.address: \"a b\" use HOST or HOST:PORT"),
        ])
    func badValues(text: String, expected: String) {
        let error = #expect(throws: SettingsError.self) { try read(text) }
        #expect(error?.description == expected)
    }

    @Test("a section for each tenant says where its samples are handed on to")
    func forwarding() throws {
        let text = """
            remote-write.acme:
              url: https://metrics.example:8443/api/v1/write
              bearer-token-file: /etc/token
              match: '{job="a"}'
              max-samples-per-send: 700
              backlog: 2 GiB
              timeout: 5 s
            remote-write.a.b:
              url: http://127.0.0.1:9090/write
              encoding: zstd
            remote-write.c:
              url: http://127.0.0.1:9470/api/v1/write
              encoding: zstd
              events: without-users

            """
        let forwarding = try read(text).forwarding
        let acme = try #require(forwarding[TenantID(unchecked: "acme")])
        #expect(acme.url == "https://metrics.example:8443/api/v1/write" && acme.tokenPath == "/etc/token")
        #expect(acme.matchers == [.equal("job", "a")] && acme.samplesPerSend == 700)
        #expect(acme.backlogBytes == 2 << 30 && acme.timeoutSeconds == 5)
        #expect(forwarding[TenantID(unchecked: "a.b")]?.url == "http://127.0.0.1:9090/write" && forwarding.count == 3)
        #expect(acme.encoding == .snappy && forwarding[TenantID(unchecked: "a.b")]?.encoding == .zstd)
        #expect(acme.lanes.isEmpty && forwarding[TenantID(unchecked: "a.b")]?.lanes == [])
        let relayed = try #require(forwarding[TenantID(unchecked: "c")])
        #expect(relayed.lanes == [.events, .findings] && relayed.events == .withoutUsers)
        for (lines, expected) in [
            (
                "remote-write.c:\n  url: http://x/api/v1/write\n  events: on\n",
                "aggregator.yaml:3: remote-write.c.events: \"on\" go to an agent that is enrolled as a relay only"
            ),
            (
                "remote-write.c:\n  url: http://x/w\n  encoding: zstd\n  findings: on\n",
                "aggregator.yaml:2: remote-write.c.url: \"http://x/w\" of a relay ends with /api/v1/write"
            ),
            ("remote-write.c:\n  findings: maybe\n", "remote-write.c.findings: \"maybe\" use on or off"),
            ("remote-write.acme:\n  encoding: gzip\n", "remote-write.acme.encoding: \"gzip\" use snappy or zstd"),
            ("remote-write.acme:\n  url: ftp://x\n", "aggregator.yaml:2: remote-write.acme.url: \"ftp://x\" use http"),
            ("remote-write.acme:\n  match: '{'\n", "aggregator.yaml:2: remote-write.acme.match: \"{\" is no selector"),
            ("remote-write.acme:\n  timeout: 5 s\n", "remote-write.acme.url: is missing"),
            ("remote-write:\n  url: http://x/\n", "is not a setting; write remote-write.TENANT:"),
            (
                "remote-write.acme:\n  url: http://far.example/\n  bearer-token-file: /t\n",
                "aggregator.yaml:3: remote-write.acme.bearer-token-file: \"/t\" would show the token"
            ),
        ] {
            let error = #expect(throws: SettingsError.self) { try read(lines) }
            #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
        }
    }

    @Test("unknown keys, environment and flags are refused with a reason")
    func badPlaces() {
        let unknown = #expect(throws: SettingsError.self) { try read("http-port: 1\n") }
        #expect(
            unknown?.description.hasPrefix("aggregator.yaml:1: http-port: \"1\" is not a setting; known are") == true)
        let variable = #expect(throws: SettingsError.self) { try read(environment: ["PARALLEL_WORKERS": "65"]) }
        #expect(variable?.description == "environment: PARALLEL_WORKERS: \"65\" use 1 to 64")
        let flag = #expect(throws: SettingsError.self) { try read(flags: [("retention", "never")]) }
        #expect(flag?.source == "command line" && flag?.key == "retention")
    }

    @Test("every setting is documented")
    func documented() {
        for key in AggregatorSettings.keys { #expect(AggregatorSettings.documentation.contains("\(key.name) (")) }
    }
}
