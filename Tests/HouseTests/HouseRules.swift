import Testing

@Suite("house rules")
struct HouseRules {
    private static let agentModules: Set<String> = [
        "Collectors", "Intake", "Sources", "Buffer", "Uplink", "LocalRules", "Actions", "Control", "AgentCore",
        "AgentMain", "StageboxClient",
    ]
    private static let aggregatorModules: Set<String> = [
        "Ingest", "Store", "PlainHTTP", "PromQL", "Rules", "Access", "API", "AggregatorCore", "AggregatorMain",
        "CommandMain",
    ]

    private func offenders(_ files: [SourceTree.File], _ isBad: (SourceTree.File) -> [String]) -> [String] {
        files.flatMap { file in isBad(file).map { "\(file.path): \($0)" } }
    }

    @Test("the sources are found")
    func found() {
        #expect(SourceTree.files("Shared", "Agent", "Aggregator").count > 100)
    }

    @Test("agent and aggregator never import each other, and Shared imports neither")
    func directions() {
        let rules: [(folder: String, forbidden: Set<String>)] = [
            ("Agent", Self.aggregatorModules), ("Aggregator", Self.agentModules),
            ("Shared", Self.agentModules.union(Self.aggregatorModules)),
        ]
        for (folder, forbidden) in rules {
            #expect(offenders(SourceTree.files(folder)) { $0.imports.filter(forbidden.contains) } == [])
        }
    }

    @Test(
        "pure modules import only what they may",
        arguments: [
            ("Shared/Telemetry", []), ("Shared/WireFormat", ["Telemetry", "Compression"]),
            ("Shared/Interchange", ["Telemetry", "JSON"]), ("Shared/JSON", []), ("Shared/Snappy", ["CSnappy"]),
            ("Shared/Gzip", ["CZlib"]), ("Shared/Detection", ["Telemetry", "Glibc"]),
            ("Shared/Compression", ["CZstd"]), ("Shared/YAML", ["CYAML"]),
            ("Agent/Uplink", ["Telemetry", "WireFormat", "RuntimeSupport"]),
            ("Agent/Intake", ["Telemetry", "JSON"]),
            ("Agent/Sources", ["Telemetry", "JSON", "Interchange", "Intake", "YAML", "Glibc"]),
            ("Agent/LocalRules", ["Telemetry"]), ("Agent/Actions", ["Telemetry", "RuntimeSupport", "Sources"]),
            ("Agent/Control", ["Telemetry", "WireFormat", "RuntimeSupport", "Sources", "LocalRules", "Actions"]),
            ("Agent/Client", ["CoreMetrics", "Glibc", "Synchronization"]),
            ("Aggregator/PromQL", ["Telemetry", "Glibc", "Synchronization"]),
            ("Aggregator/Rules", ["Telemetry", "PromQL", "YAML"]), ("Aggregator/PlainHTTP", ["Telemetry", "Glibc"]),
        ] as [(String, Set<String>)])
    func pureModules(folder: String, allowed: Set<String>) {
        #expect(offenders(SourceTree.files(folder)) { $0.imports.filter { !allowed.contains($0) } } == [])
    }

    /// Access makes mosquitto's password hashes with OpenSSL's PBKDF2 and needs nothing of a connection.
    private static let libraries: [String: [String]] = [
        "CSodium": ["Shared/Sealing/"], "CSQLite": ["Shared/SQLite/"], "CZstd": ["Shared/Compression/"],
        "CSnappy": ["Shared/Snappy/"], "CZlib": ["Shared/Gzip/"], "CYAML": ["Shared/YAML/"],
        "CSpawn": ["Shared/RuntimeSupport/"],
        "CMosquitto": ["Shared/MQTT/"], "COpenSSL": ["Shared/MQTT/", "Aggregator/Access/PasswordHash.swift"],
    ]

    @Test("one module imports each C library", arguments: SourceTree.systemModules)
    func libraries(library: String) throws {
        let owners = try #require(Self.libraries[library], "nobody is said to own \(library)")
        let importers = SourceTree.files("Shared", "Agent", "Aggregator", "Tests").filter {
            $0.imports.contains(library)
        }
        #expect(!importers.isEmpty)
        #expect(importers.map(\.path).filter { path in !owners.contains { path.hasPrefix($0) } } == [])
    }

    @Test("nothing of Foundation in Shared and in the agent")
    func foundation() {
        let files = SourceTree.files("Shared", "Agent")
        #expect(offenders(files) { $0.imports.filter { $0.hasPrefix("Foundation") } } == [])
    }

    @Test("what can trap or sleep is not called")
    func bannedCalls() {
        let banned = ["try!", " as! ", "fatalError(", "Thread.sleep", "@testable"]
        let sources = SourceTree.files("Shared", "Agent", "Aggregator")
        #expect(offenders(sources) { file in banned.filter { file.text.contains($0) } } == [])
        let sleeping = SourceTree.files("Shared", "Agent/Core", "Agent/Buffer", "Agent/Uplink", "Aggregator/Core")
        #expect(
            offenders(sleeping) { file in ["usleep(", "nanosleep(", "Task.sleep"].filter { file.text.contains($0) } }
                == [])
    }

    @Test("the agent and what is shared never sleep")
    func sleeping() {
        let pattern = try? Regex(#"\b(u|nano)?sleep\("#)
        #expect(pattern != nil)
        guard let pattern else { return }
        #expect(offenders(SourceTree.files("Shared", "Agent")) { $0.text.contains(pattern) ? ["sleeps"] : [] } == [])
    }

    @Test("no path of anybody's machine is in the repository")
    func machinePaths() {
        let paths = ["home", "work", "opt/swift", "tmp/mini"].map { "/\($0)" }.flatMap {
            ["\"\($0)/", " \($0)/", "=\($0)/"]
        }
        let files = SourceTree.files("Shared", "Agent", "Aggregator", "Tests")
        #expect(offenders(files) { file in paths.filter { file.text.contains($0) } } == [])
    }

    @Test("tests see package declarations, not internals")
    func testableImports() {
        let attribute = "@" + "testable import"
        #expect(offenders(SourceTree.files("Tests")) { $0.text.contains(attribute) ? [attribute] : [] } == [])
    }

    @Test("no file is over 400 lines")
    func lengths() {
        let files = SourceTree.files("Shared", "Agent", "Aggregator", "Tests")
        #expect(offenders(files) { $0.lines.count > 401 ? ["\($0.lines.count - 1) lines"] : [] } == [])
    }

    @Test("no unfinished work is marked in the sources")
    func markers() {
        let marks = ["TO" + "DO", "FIX" + "ME", "X" + "XX:"]
        let files = SourceTree.files("Shared", "Agent", "Aggregator", "Tests")
        #expect(offenders(files) { file in marks.filter { file.text.contains($0) } } == [])
    }

    @Test("every folder of a module in Package.swift exists")
    func layout() {
        let manifest = SourceTree.read("Package.swift")
        let quoted = manifest.split(separator: "\"").filter {
            ($0.hasPrefix("Shared/") || $0.hasPrefix("Agent/") || $0.hasPrefix("Aggregator/")) && !$0.contains(".")
        }
        #expect(quoted.count > 20)
        for folder in Set(quoted) where !folder.hasPrefix("Shared/C") || folder == "Shared/Compression" {
            #expect(!SourceTree.files(String(folder)).isEmpty, "\(folder)")
        }
    }
}
