import Control
import RuntimeSupport
import Sources
import Testing

@Suite("settings: what is taken in from other programs")
struct SourceSettingsTests {
    private func sources(_ text: String) throws -> SourceSettings {
        try AgentSettings(SettingsLayers(file: SettingsDocument(text, source: "agent.yaml"))).sources
    }

    @Test("an empty file turns nothing on")
    func defaults() throws {
        #expect(try sources("") == SourceSettings() && !SourceSettings().isAnyOn)
    }

    @Test("every key is read")
    func all() throws {
        let found = try sources(
            """
            sources:
              interval: 5 s
            statsd:
              listen: "[::1]:8125"
              socket: /run/s.sock
              series-max: 7
            scrape:
              files: /etc/a/*.json, /etc/b.json
              interval: 30 s
              timeout: 2 s
              job: node
              honor-labels: on
              body-bytes-max: 64 KiB
              samples-max: 9
            scrape-relabel:
              2: keep job a|b
              10: drop env test
            scrape-metric-relabel:
              1: drop __name__ go_.*
            access-logs:
              web: nginx /var/log/nginx/access.log
              radio: icecast /var/log/icecast2/access.log
            icecast:
              radio: http://127.0.0.1:8000/status-json.xsl
            playlists:
              main: http://127.0.0.1/live.m3u8
            """)
        var expected = SourceSettings()
        expected.intervalMilliseconds = 5000
        (expected.statsdListen, expected.statsdSocketPath, expected.statsdSeriesMax) = ("[::1]:8125", "/run/s.sock", 7)
        expected.scrapeFiles = ["/etc/a/*.json", "/etc/b.json"]
        (expected.scrapeIntervalMilliseconds, expected.scrapeTimeoutMilliseconds) = (30_000, 2000)
        (expected.scrapeJob, expected.scrapeHonorsLabels) = ("node", true)
        (expected.scrapeBodyBytesMax, expected.scrapeSamplesMax) = (65_536, 9)
        expected.targetRules = [2: try RelabelRule("keep job a|b"), 10: try RelabelRule("drop env test")]
        expected.sampleRules = [1: try RelabelRule("drop __name__ go_.*")]
        expected.accessLogs = [
            "web": .init(format: .nginx, path: "/var/log/nginx/access.log"),
            "radio": .init(format: .icecast, path: "/var/log/icecast2/access.log"),
        ]
        expected.icecastServers = ["radio": HTTPTarget(host: "127.0.0.1", port: 8000, path: "/status-json.xsl")]
        expected.playlists = ["main": HTTPTarget(host: "127.0.0.1", port: 80, path: "/live.m3u8")]
        #expect(found == expected && found.isAnyOn)
    }

    @Test(
        "a bad value is told with file, line, key and what to write",
        arguments: [
            ("statsd:\n  listen: host:8125", "agent.yaml:2: statsd.listen: \"host:8125\" is not a numeric address"),
            ("statsd:\n  listen: 127.0.0.1:0", "agent.yaml:2: statsd.listen:"),
            ("statsd:\n  socket: s.sock", "agent.yaml:2: statsd.socket: \"s.sock\" is not an absolute path"),
            ("statsd:\n  series-max: 0", "agent.yaml:2: statsd.series-max:"),
            ("scrape:\n  files: a.json", "agent.yaml:2: scrape.files: \"a.json\" is not a list"),
            ("scrape:\n\n  interval: 1 ms", "agent.yaml:3: scrape.interval: \"1 ms\" is not a duration from 1 s"),
            ("scrape:\n  honor-labels: maybe", "agent.yaml:2: scrape.honor-labels:"),
            ("scrape-relabel:\n  x: keep a b", "agent.yaml:2: scrape-relabel.x: \"keep a b\" is not a number"),
            ("scrape-relabel:\n  1: replace a b", "agent.yaml:2: scrape-relabel.1: \"replace a b\" is not of the form"),
            ("scrape-metric-relabel:\n  1: keep a (b", "invalid pattern \"(b\" at position"),
            ("access-logs:\n  web: apache /a", "agent.yaml:2: access-logs.web: \"apache /a\" is not of the form"),
            ("access-logs:\n  web: nginx a.log", "agent.yaml:2: access-logs.web:"),
            ("icecast:\n  r: https://h/", "agent.yaml:2: icecast.r: \"https://h/\" is not an address"),
            ("playlists:\n  r: h/live.m3u8", "agent.yaml:2: playlists.r:"),
        ])
    func faults(text: String, message: String) throws {
        let error = try #require(throws: SettingsError.self) { try sources(text) }
        #expect(error.description.contains(message), "\(error)")
    }

    @Test("sixteen of a kind, and no more")
    func bounds() throws {
        let logs = (0...16).map { "  log\($0): nginx /\($0)" }.joined(separator: "\n")
        let error = try #require(throws: SettingsError.self) { try sources("access-logs:\n\(logs)") }
        #expect(error.line == 18 && error.problem == "is one more than 16")
    }

    @Test(
        "no manifest may set them",
        arguments: [
            "statsd:\n  listen: 127.0.0.1:1", "icecast:\n  x: http://h/", "access-logs:\n  x: nginx /etc/shadow",
        ])
    func remote(text: String) throws {
        let manifest = try SettingsDocument(text, source: "manifest")
        let error = try #require(throws: SettingsError.self) {
            try AgentSettings(SettingsLayers(manifests: [manifest]))
        }
        #expect(error.problem == "can be set on the node only")
    }
}
