// swift-tools-version: 6.2
import PackageDescription

// Warnings are errors in CI (`STAGEBOX_WARNINGS_AS_ERRORS=1`); benchmark targets exist with `STAGEBOX_DEV=1`.
let warningsAsErrors = Context.environment["STAGEBOX_WARNINGS_AS_ERRORS"] == "1"
let isDevelopment = Context.environment["STAGEBOX_DEV"] == "1"

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (warningsAsErrors ? [.treatAllWarnings(as: .error)] : [])

let nio = "swift-nio"
let hummingbird = "hummingbird"
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

/// Documents that stand beside the code they describe.
let documents = [
    "Shared/WireFormat": ["FORMAT.md"], "Aggregator/Store": ["Rollups/ROLLUPS.md"], "Agent/Intake": ["INTAKE.md"],
    "Shared/Detection": ["DETECTION.md", "Fleet/FLEET.md"],
]

/// Of the agent's modules, but for what other packages use, which must not have unsafe flags: each function in a section
/// of its own, so that the linker can put those of the steady state side by side (see `smallProgram`).
let placed: [SwiftSetting] = settings + [.unsafeFlags(["-Xfrontend", "-function-sections"])]

func module(_ path: String, name: String? = nil, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name ?? String(path.split(separator: "/").last!), dependencies: dependencies, path: path,
        exclude: documents[path] ?? [],
        swiftSettings: path.hasPrefix("Agent/") && path != "Agent/Client" ? placed : settings)
}

func program(_ name: String, _ path: String, static isStatic: Bool = false, _ dependencies: [Target.Dependency])
    -> Target
{
    .executableTarget(
        name: name, dependencies: dependencies, path: path, swiftSettings: settings,
        linkerSettings: isStatic ? [.unsafeFlags(smallProgram)] : [])
}

/// How the agent is linked: by lld, which Swift's toolchain brings along, with the functions of the steady state side
/// by side (`Packaging/scripts/order-agent` records them) and texts and tables among what is never written.
let smallProgram: [String] =
    ["-static-stdlib", "-use-ld=lld"]
    + [
        "--no-export-dynamic", "-z", "pack-relative-relocs", "--no-warn-symbol-ordering",
        "--symbol-ordering-file=\(Context.packageDirectory)/Packaging/agent.order",
        "-T", "\(Context.packageDirectory)/Packaging/agent.ld",
    ].flatMap { ["-Xlinker", $0] }

func tests(_ path: String, name: String? = nil, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name ?? String(path.split(separator: "/").last!) + "Tests", dependencies: dependencies, path: path,
        exclude: [
            "Tests/Agent/Collectors": ["Fixtures"], "Tests/Shared/WireFormat": ["Golden"],
            "Tests/Shared/Interchange": ["Golden"], "Tests/Shared/Detection": ["Golden"],
            "Tests/Aggregator/Store": ["Golden"], "Tests/Agent/Core": ["Detection/Recordings"],
        ][path] ?? [],
        swiftSettings: settings)
}

let shared: [Target] = [
    .systemLibrary(name: "CMosquitto", path: "Shared/CMosquitto", providers: [.apt(["libmosquitto-dev"])]),
    .systemLibrary(name: "COpenSSL", path: "Shared/COpenSSL", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CSnappy", path: "Shared/CSnappy", providers: [.apt(["libsnappy-dev"])]),
    .systemLibrary(name: "CSodium", path: "Shared/CSodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(name: "CSQLite", path: "Shared/CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CSpawn", path: "Shared/CSpawn"),
    .systemLibrary(name: "CYAML", path: "Shared/CYAML", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CZlib", path: "Shared/CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", path: "Shared/CZstd", providers: [.apt(["libzstd-dev"])]),
    module("Shared/Telemetry", []),
    module("Shared/RuntimeSupport", ["Telemetry", "CSpawn"]),
    module("Shared/JSON", []),
    module("Shared/Interchange", ["Telemetry", "JSON"]),
    module("Shared/Compression", ["CZstd"]),
    module("Shared/Snappy", ["CSnappy"]),
    module("Shared/Gzip", ["CZlib"]),
    module("Shared/YAML", ["CYAML"]),
    module("Shared/WireFormat", ["Telemetry", "Compression"]),
    module("Shared/Sealing", ["Telemetry", "WireFormat", "CSodium"]),
    module("Shared/SQLite", ["CSQLite"]),
    module("Shared/Detection", []),
    module("Shared/MQTT", ["CMosquitto", "COpenSSL", "RuntimeSupport", "Telemetry"]),
]

let agent: [Target] = [
    module("Agent/Collectors", ["Telemetry", "RuntimeSupport"]),
    module("Agent/Intake", ["Telemetry", "JSON"]),
    module("Agent/Sources", ["Telemetry", "JSON", "Interchange", "Intake", "YAML"]),
    module("Agent/Buffer", ["Telemetry", "WireFormat", "SQLite", "RuntimeSupport"]),
    module("Agent/Uplink", ["Telemetry", "WireFormat", "RuntimeSupport"]),
    module("Agent/LocalRules", ["Telemetry"]),
    module("Agent/Actions", ["Telemetry", "RuntimeSupport", "Sources"]),
    module(
        "Agent/Control", ["Telemetry", "WireFormat", "RuntimeSupport", "Sources", "LocalRules", "Actions"]),
    module(
        "Agent/Core", name: "AgentCore",
        [
            "Telemetry", "RuntimeSupport", "WireFormat", "Sealing", "MQTT", "Collectors", "Intake", "Buffer", "Uplink",
            "Control", "Sources", "LocalRules", "Actions", "Interchange", "Compression", "Gzip", "Detection", "JSON",
            log,
            .product(name: "NIOCore", package: nio), .product(name: "NIOPosix", package: nio),
            .product(name: "NIOHTTP1", package: nio),
        ]),
    program(
        "AgentMain", "Agent/Main", static: true,
        ["AgentCore", "Control", "Actions", "Telemetry", "RuntimeSupport", log]),
    module("Agent/Client", name: "StageboxClient", [.product(name: "CoreMetrics", package: "swift-metrics")]),
]

let aggregator: [Target] = [
    module("Aggregator/Ingest", ["Telemetry", "RuntimeSupport", "WireFormat", "Sealing"]),
    module(
        "Aggregator/Store",
        ["Telemetry", "RuntimeSupport", "WireFormat", "Compression", "SQLite", "Ingest", "Detection"]),
    module("Aggregator/PromQL", ["Telemetry"]),
    module("Aggregator/Rules", ["Telemetry", "PromQL", "YAML"]),
    module("Aggregator/Access", ["Telemetry", "RuntimeSupport", "WireFormat", "Sealing", "SQLite", "COpenSSL"]),
    module("Aggregator/PlainHTTP", ["Telemetry"]),
    module(
        "Aggregator/API",
        [
            "Telemetry", "PlainHTTP", "RuntimeSupport", "WireFormat", "Sealing", "Access", "Store", "Ingest", "PromQL",
            "Rules", "Interchange", "Snappy", "Gzip", "Detection", log,
            .product(name: "Hummingbird", package: hummingbird),
            .product(name: "HummingbirdCore", package: hummingbird),
            .product(name: "HummingbirdTLS", package: hummingbird), .product(name: "NIOCore", package: nio),
            .product(name: "NIOPosix", package: nio), .product(name: "HTTPTypes", package: "swift-http-types"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        ]),
    module(
        "Aggregator/Core", name: "AggregatorCore",
        [
            "Telemetry", "RuntimeSupport", "WireFormat", "Sealing", "SQLite", "MQTT", "Ingest", "Store", "Access",
            "API", "PlainHTTP", "PromQL", "Rules", "Interchange", "Snappy", "Compression", "Detection", log,
        ]),
    program(
        "AggregatorMain", "Aggregator/Main",
        ["AggregatorCore", "Store", "Telemetry", "RuntimeSupport", arguments, log]),
    program(
        "CommandMain", "Aggregator/Command",
        [
            "AggregatorCore", "Access", "Interchange", "MQTT", "Sealing", "WireFormat", "Telemetry",
            "RuntimeSupport", "Store", "PromQL", "Rules", "Detection", arguments, log,
        ]),
]

let testTargets: [Target] = [
    module("Tests/TestSupport", ["Telemetry", "RuntimeSupport"]),
    tests("Tests/Shared/Telemetry", ["Telemetry", "TestSupport"]),
    tests("Tests/Shared/RuntimeSupport", ["RuntimeSupport", "Telemetry", "TestSupport"]),
    tests("Tests/Shared/JSON", ["JSON", "Telemetry", "TestSupport"]),
    tests("Tests/Shared/Interchange", ["Interchange", "Telemetry", "TestSupport"]),
    tests("Tests/Shared/Snappy", ["Snappy", "TestSupport"]),
    tests("Tests/Shared/Gzip", ["Gzip", "TestSupport"]),
    tests("Tests/Shared/WireFormat", ["WireFormat", "Compression", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Shared/Sealing", ["Sealing", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Shared/SQLite", ["SQLite", "TestSupport", "RuntimeSupport"]),
    tests("Tests/Shared/Detection", ["Detection", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Shared/MQTT", ["MQTT", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/Collectors", ["Collectors", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/Intake", ["Intake", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/Sources", ["Sources", "Intake", "Interchange", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/Buffer", ["Buffer", "SQLite", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/Uplink", ["Uplink", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/LocalRules", ["LocalRules", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Agent/Actions", ["Actions", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests(
        "Tests/Agent/Control",
        [
            "Control", "Actions", "LocalRules", "Sources", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport",
        ]),
    tests(
        "Tests/Agent/Core", name: "AgentCoreTests",
        [
            "Actions", "AgentCore", "Buffer", "Collectors", "Compression", "Control", "Detection", "Gzip", "Intake",
            "Interchange",
            "LocalRules", "MQTT", "Sealing", "Sources", "Telemetry", "RuntimeSupport", "TestSupport", "WireFormat",
        ]),
    tests(
        "Tests/Agent/Client", name: "StageboxClientTests",
        [
            "StageboxClient", "AgentCore", "Intake", "Telemetry", "RuntimeSupport", "TestSupport",
            .product(name: "CoreMetrics", package: "swift-metrics"),
        ]),
    tests(
        "Tests/Aggregator/Ingest", ["Ingest", "Sealing", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests(
        "Tests/Aggregator/Store",
        [
            "Store", "Ingest", "SQLite", "WireFormat", "Compression", "Detection", "Telemetry", "RuntimeSupport",
            "TestSupport",
        ]),
    module("Tests/PromQLScripts", ["PromQL", "Telemetry"]),
    tests("Tests/Aggregator/PromQL", ["PromQLScripts", "PromQL", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Aggregator/Rules", ["Rules", "PromQL", "PromQLScripts", "Telemetry", "TestSupport"]),
    tests(
        "Tests/Aggregator/Access", ["Access", "Sealing", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport"]),
    tests("Tests/Aggregator/PlainHTTP", ["PlainHTTP", "Telemetry", "TestSupport"]),
    tests(
        "Tests/Aggregator/API",
        [
            "API", "Access", "Detection", "Store", "Ingest", "PromQL", "Interchange", "Snappy", "Gzip", "Sealing",
            "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport",
            log, .product(name: "HTTPTypes", package: "swift-http-types"),
        ]),
    tests(
        "Tests/Aggregator/Core", name: "AggregatorCoreTests",
        [
            "AggregatorCore", "API", "Access", "Detection", "Ingest", "Interchange", "PromQL", "Sealing", "SQLite",
            "Store",
            "WireFormat",
            "Telemetry", "RuntimeSupport", "TestSupport",
        ]),
    tests("Tests/HouseTests", name: "HouseTests", ["TestSupport"]),
    tests(
        "Tests/SimulationTests", name: "SimulationTests",
        [
            "AgentCore", "Buffer", "Collectors", "Control", "Intake", "Interchange", "LocalRules", "Sources", "Uplink",
            "MQTT", "Sealing",
            "WireFormat", "Ingest", "Store", "Telemetry", "RuntimeSupport", "TestSupport",
        ]),
    tests(
        "Tests/SmokeTests", name: "SmokeTests",
        [
            "TestSupport", "MQTT", "Telemetry", "RuntimeSupport", "Collectors", "Access", "Sealing", "WireFormat",
            "PromQL", "PromQLScripts", "Interchange", "Snappy", "Gzip", "JSON",
        ]),
]

/// Benchmarks, with `STAGEBOX_DEV=1` only.
let developmentTargets: [Target] = [
    program("QueryBenchmark", "Tests/Benchmarks/Query", ["PromQL", "Telemetry"]),
    program("CollectorBenchmark", "Tests/Benchmarks/Collectors", ["Collectors", "Telemetry", "RuntimeSupport"]),
    program("DetectionBenchmark", "Tests/Benchmarks/Detection", ["Detection", "RuntimeSupport"]),
    program(
        "CodecBenchmark", "Tests/Benchmarks/Codec",
        ["WireFormat", "Compression", "Telemetry", "RuntimeSupport", "TestSupport"]),
    program(
        "IngestBenchmark", "Tests/Benchmarks/Ingest",
        [
            "AgentCore", "Uplink", "MQTT", "Sealing", "WireFormat", "Telemetry", "RuntimeSupport", "TestSupport",
        ]),
]

/// Decoders under libFuzzer (`make fuzz`), with `STAGEBOX_FUZZ=1` only: it links with `--sanitize fuzzer` alone.
let fuzzTargets: [Target] = [
    program(
        "Fuzzing", "Tests/Fuzzing",
        [
            "AgentCore", "Buffer", "Collectors", "Compression", "Control", "Detection", "Gzip", "Intake", "Interchange",
            "PlainHTTP", "PromQL", "RuntimeSupport", "Snappy", "Sources", "Telemetry", "WireFormat",
        ])
]

let package = Package(
    name: "stagebox",
    products: [
        .executable(name: "stagebox-agent", targets: ["AgentMain"]),
        .executable(name: "stagebox-aggregator", targets: ["AggregatorMain"]),
        .executable(name: "stagebox", targets: ["CommandMain"]),
        .library(name: "StageboxClient", targets: ["StageboxClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    ],
    targets: shared + agent + aggregator + testTargets + (isDevelopment ? developmentTargets : [])
        + (Context.environment["STAGEBOX_FUZZ"] == "1" ? fuzzTargets : [])
)
