import Glibc
import Interchange
import MQTT
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

/// Two aggregators with their brokers, an agent at the regional one, and a relay between them.
@Suite(
    "Federation", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct FederationTests {
    static let relay = "relay-eu"
    /// Of the agent at the regional aggregator; many enough that a request does not hold them all.
    private static let selector = "{instance=\"\(SmokeTree.agentName)\"}"

    /// The global aggregator with its relay, and the regional one that forwards to it.
    /// - Parameters:
    ///   - forwarding: further lines of the regional one's section.
    ///   - rules: of the agent at the regional one.
    func trees(
        forwarding: String = "", rules: String = ""
    ) throws -> (regional: SmokeTree, global: SmokeTree) {
        let global = try SmokeTree("global")
        try global.startCentre()
        let token = try global.stagebox(["enrol", "--relay", "--agent", Self.relay, "--region", "eu"])
        guard token.isDone else { throw SmokeTree.Failure(description: token.text) }
        try global.startAgent(enrolledWith: String(token.text.filter { !$0.isWhitespace }))

        let regional = try SmokeTree("regional")
        let file = regional.folder.file("aggregator.yaml")
        let url = "http://127.0.0.1:\(global.intakePort)/api/v1/write"
        let settings =
            "remote-write.\(SmokeTree.tenant):\n  url: \(url)\n  encoding: zstd\n  max-samples-per-send: 1500\n"
            + forwarding
        try Files.write(Array(settings.utf8), to: file)
        try regional.startCentre(["--config", file])
        if !rules.isEmpty {
            try Files.write(Array(rules.utf8), to: regional.folder.file("agent.yaml"))
            regional.agentOptions = ["--config", regional.folder.file("agent.yaml")]
        }
        let made = try regional.api(
            "POST", "/api/v1/admin/enrolments", body: "{\"agent\":\"\(SmokeTree.agentName)\",\"job\":\"cdn\"}")
        try regional.startAgent(enrolledWith: Answers.decode(Answers.Token.self, made).token)
        return (regional, global)
    }

    /// What the centre has of a region, under the labels that it has there.
    private func handedOn(
        _ tree: SmokeTree, _ selector: String, from start: Int, through end: Int
    ) throws -> [[String: String]: [Int64: String]] {
        var found: [[String: String]: [Int64: String]] = [:]
        for (labels, samples) in try tree.samples(of: selector, from: start, through: end) {
            guard labels[SeriesKey.relayLabel] == Self.relay, labels["region"] == "eu" else { continue }
            let own = labels.filter { $0.key != SeriesKey.relayLabel && $0.key != "region" }
            #expect(found.updateValue(samples, forKey: own) == nil, "\(own) is there twice")
        }
        return found
    }

    @Test("whatever is killed, the centre has what the region has: the same series, times and values, once")
    func killAtRandom() throws {
        print("federation: STAGEBOX_SMOKE_SEED=\(SmokePrograms.seed)")
        var generator = SeededGenerator(seed: SmokePrograms.seed)
        let (regional, global) = try trees()
        defer {
            regional.stopAll()
            global.stopAll()
        }
        func newest(_ tree: SmokeTree) throws -> Int64 {
            try tree.timestamps(of: "node_load1").filter { $0.key["instance"] == SmokeTree.agentName }
                .values.flatMap { $0 }.max() ?? 0
        }
        try global.wait("the region's samples reach the centre", seconds: 60) { try newest(global) > 0 }
        let start = Int(time(nil))
        var victims = ["relay", "global", "regional", "relay", "global", "agent"]
        victims.shuffle(using: &generator)
        for victim in victims {
            // The moment is the test here, not a wait for something.
            usleep(UInt32.random(in: 200_000...2_500_000, using: &generator))
            switch victim {
            case "relay":
                global.killAgent()
                try global.startAgent()
            case "global":
                global.killAggregator()
                usleep(UInt32.random(in: 0...1_500_000, using: &generator))
                try global.startAggregator()
            case "regional":
                regional.killAggregator()
                usleep(UInt32.random(in: 0...1_500_000, using: &generator))
                try regional.startAggregator()
            default:
                regional.killAgent()
                try regional.startAgent()
            }
        }
        let end = Int(time(nil))
        try regional.wait("the region has samples from after the last kill", seconds: 60) {
            try newest(regional) > Int64(end + 1) * 1000
        }
        var (there, here): ([[String: String]: [Int64: String]], [[String: String]: [Int64: String]]) = ([:], [:])
        let isEqual = try Waiting.until(withinSeconds: 90) {
            // Each look exports both ends whole: that often, not every five milliseconds.
            usleep(300_000)
            there = try regional.samples(of: Self.selector, from: start, through: end)
            here = try handedOn(global, Self.selector, from: start, through: end)
            return here == there
        }
        let (missing, further) = (Set(there.keys).subtracting(here.keys), Set(here.keys).subtracting(there.keys))
        let differing = there.filter { key, samples in here[key].map { $0 != samples } ?? false }
        #expect(
            isEqual,
            """
            \(missing.count) series are missing, \(further.count) are not the region's, \(differing.count) differ
            \(global.tails)\n\(regional.tails)
            """)
        #expect(there.count > 100 && there.values.reduce(0) { $0 + $1.count } > 1000, "that was no load")
        try global.expectEqualLedgers(seconds: 60)
        try regional.expectEqualLedgers(seconds: 60)
        print("federation: \(there.count) series, \(there.values.reduce(0) { $0 + $1.count }) samples are the same")
    }

    @Test("a request that comes again changes nothing; an agent that is no relay takes none")
    func resend() throws {
        let (regional, global) = try trees()
        defer {
            regional.stopAll()
            global.stopAll()
        }
        let now = Int64(time(nil)) * 1000
        let key = SeriesKey(name: "resent", labels: [Label("instance", "edge-9"), Label("job", "cdn")])
        var encoder = RemoteWriteEncoder(.one)
        let stale = Double(bitPattern: 0x7ff0_0000_0000_0002)
        encoder.add(key, timestamps: [now - 3_600_000, now - 2000, now - 1000], values: [0.1, 2, stale])
        encoder.add(MetricFamily(name: "resent", type: .gauge))
        let body = encoder.finish()
        func post(_ tree: SmokeTree) throws -> Int {
            try HTTPLoopback.send("POST", "/api/v1/write", body: body, port: tree.intakePort).status
        }
        let seconds = Int(now / 1000)
        func found() throws -> [Int64: String] {
            let all = try handedOn(global, "resent", from: seconds - 7200, through: seconds)
            #expect(all.keys.allSatisfy { $0["instance"] == "edge-9" && $0["job"] == "cdn" })
            return all.values.first ?? [:]
        }
        #expect(try post(global) == 204)
        try global.wait("the samples arrive", seconds: 30) { try found().count == 3 }
        let first = try found()
        for _ in 0..<3 { #expect(try post(global) == 204) }
        try global.expectEqualLedgers(seconds: 30)
        #expect(try found() == first)
        let query = try global.api(
            "GET", "/api/v1/query?query=resent&time=\(seconds)")
        #expect(query.text.contains(#""result":[]"#), "the marker of staleness is lost: \(query.text)")
        let metadata = try global.api("GET", "/api/v1/metadata?metric=resent")
        #expect(metadata.text.contains(#""type":"gauge""#), "\(metadata.text)")
        #expect(try post(regional) == 403)
    }

    @Test("12,000 series with times of their own pass through one relay, and one kill -9 of it")
    func manySeries() throws {
        let (regional, global) = try trees()
        defer {
            regional.stopAll()
            global.stopAll()
        }
        let (requests, series, samples) = (24, 500, 8)
        let end = Int64(time(nil)) * 1000
        let begin = monotonicSeconds()
        for request in 0..<requests {
            var encoder = RemoteWriteEncoder(.one)
            for number in request * series..<(request + 1) * series {
                let labels = [
                    Label("instance", "edge-\(number % 97)"), Label("job", "cdn"), Label("path", "/object/\(number)"),
                ]
                let times = (0..<samples).map { end - Int64($0 * 1000 + number % 1000) }.reversed()
                encoder.add(
                    SeriesKey(name: "many", labels: labels), timestamps: Array(times),
                    values: times.map { Double($0 % 7919) / 16 })
            }
            let body = encoder.finish()
            if request == requests / 2 {
                global.killAgent()
                try global.startAgent()
            }
            try global.wait("request \(request) is taken", seconds: 30) {
                try HTTPLoopback.send("POST", "/api/v1/write", body: body, port: global.intakePort).status == 204
            }
        }
        let taken = monotonicSeconds() - begin
        let expected = requests * series * samples
        let path = "/api/v1/query?query=sum(count_over_time(many%7Bstagebox_relay%3D%22relay-eu%22%7D%5B1h%5D))"
        try global.wait("all samples are at the centre", seconds: 60) {
            try global.api("GET", "\(path)&time=\(end / 1000 + 60)").text.contains("\"\(expected)\"]")
        }
        let memory = try global.agentMemory("VmHWM")
        print(
            "federation: \(requests * series) series, \(expected) samples taken in \(Int(taken * 1000)) ms, at the centre",
            "after \(Int((monotonicSeconds() - begin) * 1000)) ms; the relay's peak \(memory >> 20) MiB")
        try global.expectEqualLedgers(seconds: 60)
    }
}
