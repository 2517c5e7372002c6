import AgentCore
import Collectors
import Detection
import RuntimeSupport
import Telemetry
import Testing

@Suite("Detection on the node") struct NodeDetectionTests {
    /// A node with a few metrics of three groups, at one sample a second, from a seed.
    private struct Node {
        static let names = [
            "node_load1", "node_procs_running", "node_memory_MemFree_bytes", "node_memory_Cached_bytes",
            "node_network_receive_bytes_total", "node_network_transmit_bytes_total",
        ]
        var generator: SeededGenerator
        var second: Int64 = 1_790_000_000
        var totals = [0.0, 0.0]
        var isFirst = true
        var detection = NodeDetection(DetectorConfiguration(seed: 1))

        init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

        private mutating func noise() -> Double {
            (0..<4).reduce(0.0) { sum, _ in sum + Double.random(in: -1...1, using: &generator) }
        }

        /// - Parameter load: nil: the load average is not there any more.
        mutating func run(seconds: Int, load: Double? = 2, bytes: Double = 1e6) -> [Finding] {
            var findings: [Finding] = []
            for _ in 0..<seconds {
                second += 1
                for index in totals.indices { totals[index] += max(0, bytes + 1e5 * noise()) }
                let values = [
                    max(0, (load ?? 0) + 0.2 * noise()), max(0, 3 + noise()), 1e9 + 1e6 * noise(), 2e9 + 1e6 * noise(),
                    totals[0], totals[1],
                ]
                let descriptors = Self.names.map {
                    SeriesDescriptor(key: SeriesKey(name: $0), type: $0.hasSuffix("_total") ? .counter : .gauge)
                }
                findings +=
                    detection.observe(
                        Scrape(
                            timestamp: Timestamp(seconds: second), intervalMilliseconds: 1000,
                            layout: load == nil ? 2 : 1, newDescriptors: isFirst ? descriptors : [],
                            handles: Array((load == nil ? 1 : 0)..<6), values: Array(values.suffix(load == nil ? 5 : 6))
                        ),
                        .collectors
                    ).findings
                isFirst = false
            }
            return findings
        }
    }

    @Test("a fault is found within minutes, once, with the series that shows it; calm hours around it are calm")
    func fault() throws {
        var node = Node(seed: 11)
        let calm = node.run(seconds: 3 * 3600)
        #expect(calm.count { $0.until == nil } <= 1, "\(calm)")
        let began = node.second
        let burning = node.run(seconds: 600, load: 60)
        let opened = try #require(burning.first { $0.group == "cpu" && $0.until == nil })
        #expect(opened.since.milliseconds / 1000 - began <= 120)
        #expect(opened.contributors.first?.key.name == "node_load1")
        #expect(opened.shape?.values.contains { $0 > 30 } == true)
        #expect(burning.count { $0.group == "cpu" && $0.until == nil } == 1)
        let after = node.run(seconds: 3600)
        let closed = try #require((burning + after).first { $0.id == opened.id && $0.until != nil })
        #expect(closed.since == opened.since && closed.score >= opened.score)
        #expect((burning + calm + after).allSatisfy { $0.group == "cpu" || $0.until != nil || $0.group != "memory" })
        #expect(node.detection.openFindings.isEmpty)
    }

    @Test("a metric that goes away while it is strange does not keep its finding open")
    func vanished() throws {
        var node = Node(seed: 12)
        _ = node.run(seconds: 3 * 3600)
        var opened: Finding?
        // Until the very sample that alarms.
        for _ in 0..<600 where opened == nil {
            opened = node.run(seconds: 1, load: 60).first { $0.group == "cpu" && $0.until == nil }
        }
        let id = try #require(opened).id
        let after = node.run(seconds: 300, load: nil)
        #expect(after.contains { $0.id == id && $0.until != nil })
    }

    @Test("the same samples and seed give the same findings")
    func deterministic() {
        func run() -> [Finding] {
            var node = Node(seed: 5)
            return node.run(seconds: 3600) + node.run(seconds: 300, bytes: 5e7) + node.run(seconds: 600)
        }
        #expect(run() == run())
    }

    @Test("NaN, infinities, counter resets, gaps and clock steps cost unscored samples and nothing else")
    func hostile() {
        var detection = NodeDetection(DetectorConfiguration(seed: 2))
        var generator = SeededGenerator(seed: 3)
        var time: Int64 = 1_790_000_000
        var total = 0.0
        for step in 0..<20_000 {
            time += step % 997 == 0 ? -5000 : step % 501 == 0 ? 7200 : 1
            total = step % 333 == 0 ? 0 : total + Double.random(in: 0...100, using: &generator)
            let odd = [Double.nan, .infinity, -.infinity, 1e308, -1e308, Double.leastNonzeroMagnitude]
            let value = step % 7 == 0 ? odd[step / 7 % odd.count] : Double.random(in: 0...1, using: &generator)
            let outcome = detection.observe(
                Scrape(
                    timestamp: Timestamp(seconds: time), intervalMilliseconds: 1000, layout: 1,
                    newDescriptors: step == 0
                        ? [
                            SeriesDescriptor(key: SeriesKey(name: "node_load1"), type: .gauge),
                            SeriesDescriptor(key: SeriesKey(name: "node_forks_total"), type: .counter),
                        ] : [], handles: [0, 1], values: [value, total]), .collectors)
            for finding in outcome.findings {
                #expect(finding.until.map { $0 >= finding.since } ?? true)
                #expect((0...1).contains(finding.score))
            }
        }
        #expect(detection.unscoredCount > 2000)
        #expect(detection.anomalyRate(of: nil).map { (0...1).contains($0) } ?? true)
    }

    @Test("of ten thousand new series at once those that fit are watched, the rest is counted; idle ones give way")
    func flood() {
        var detection = NodeDetection(DetectorConfiguration(seed: 4))
        func scrape(_ second: Int64, _ range: Range<Int>, layout: UInt64, isNew: Bool) -> Scrape {
            Scrape(
                timestamp: Timestamp(seconds: second), intervalMilliseconds: 1000, layout: layout,
                newDescriptors: isNew
                    ? range.map { SeriesDescriptor(key: SeriesKey(name: "app_\($0)"), type: .gauge) } : [],
                handles: range.map { UInt32($0) }, values: range.map { Double($0) })
        }
        _ = detection.observe(scrape(1, 0..<10_000, layout: 1, isNew: true), .collectors)
        #expect(detection.watchedCount == NodeDetection.metricsMax)
        #expect(detection.unwatchedCount == 10_000 - NodeDetection.metricsMax)
        _ = detection.observe(scrape(2000, 10_000..<10_010, layout: 2, isNew: true), .collectors)
        #expect(detection.watchedCount == NodeDetection.metricsMax)
        #expect(detection.unwatchedCount == 10_000 - NodeDetection.metricsMax)
        #expect(detection.stateBytes / detection.watchedCount <= 6 * 1024)
    }

    @Test("what was learnt goes on after a restart; torn or foreign models are learnt anew")
    func restart() throws {
        var node = Node(seed: 21)
        _ = node.run(seconds: 3600)
        let models = node.detection.models
        var again = node
        again.detection = NodeDetection(DetectorConfiguration(seed: 9))
        let isRestored = again.detection.restore(models)
        #expect(isRestored)
        again.isFirst = true
        _ = again.run(seconds: 61)
        // Without the past nothing would be judged after a minute.
        #expect(again.detection.anomalyRate(of: .cpu) != nil && again.detection.score(of: .cpu) != nil)
        #expect(again.detection.lostModelsCount == 0)
        var fresh = node
        fresh.detection = NodeDetection(DetectorConfiguration(seed: 9))
        fresh.isFirst = true
        _ = fresh.run(seconds: 61)
        #expect(fresh.detection.anomalyRate(of: .cpu) == nil)

        var generator = SeededGenerator(seed: 22)
        for size in stride(from: 0, to: models.count, by: max(1, models.count / 97)) {
            let isRead = fresh.detection.restore(Array(models.prefix(size)))
            #expect(!isRead)
        }
        let isForeignRead = fresh.detection.restore([NodeDetection.modelsVersion + 1] + models.dropFirst())
        #expect(!isForeignRead)
        for _ in 0..<200 {
            var bytes = models
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            var damaged = node
            damaged.detection = NodeDetection(DetectorConfiguration(seed: 9))
            _ = damaged.detection.restore(bytes)
            damaged.isFirst = true
            _ = damaged.run(seconds: 62)
        }
    }

    @Test("detectors of an earlier version are refused, counted and learnt anew")
    func earlierVersion() {
        var node = Node(seed: 23)
        _ = node.run(seconds: 1800)
        var models = node.detection.models
        // A detector begins with its mark and its version.
        for mark in ["SBmd", "SBgd"].map({ Array($0.utf8) }) {
            for place in 0..<models.count - 4 where models[place..<place + 4].elementsEqual(mark) {
                models[place + 4] -= 1
            }
        }
        var again = node
        again.detection = NodeDetection(DetectorConfiguration(seed: 9))
        let isRestored = again.detection.restore(models)
        #expect(isRestored)
        again.isFirst = true
        _ = again.run(seconds: 61)
        #expect(again.detection.lostModelsCount == Node.names.count + 3)
        #expect(again.detection.anomalyRate(of: nil) == nil)
        _ = again.run(seconds: 600)
        #expect(again.detection.anomalyRate(of: nil) != nil)
    }

    @Test(
        "what the kernel counts is judged by its rate, with or without a type",
        arguments: [
            ("node_forks_total", MetricType.counter, true), ("node_vmstat_pgfault", .unknown, true),
            ("node_netstat_Tcp_InSegs", .unknown, true), ("node_netstat_Tcp_CurrEstab", .unknown, false),
            ("node_vmstat_nr_free_pages", .unknown, false), ("node_load1", .gauge, false),
            ("app_seconds_bucket", .histogram, true), ("app_seconds_sum", .summary, true),
            ("app_seconds", .summary, false), ("app_requests_total", .unknown, true), ("app_depth", .unknown, false),
        ])
    func cumulative(name: String, type: MetricType, isCumulative: Bool) {
        #expect(CumulativeSeries.contains(SeriesDescriptor(key: SeriesKey(name: name), type: type)) == isCumulative)
    }

    @Test("stream metrics are watched as sums over their labels")
    func streams() {
        var detection = NodeDetection(DetectorConfiguration(seed: 4))
        for second in 1...3 {
            _ = detection.observe(
                Scrape(
                    timestamp: Timestamp(seconds: Int64(second)), intervalMilliseconds: 1000,
                    newDescriptors: second == 1
                        ? (0..<100).map {
                            SeriesDescriptor(
                                key: SeriesKey(
                                    name: $0 % 2 == 0 ? "stagebox_stream_plays_total" : "stagebox_stream_skips_total",
                                    labels: [Label("territory", "T\($0)")]), type: .counter)
                        } : [], handles: Array(0..<100), values: (0..<100).map { Double($0 * second) }), .streams)
        }
        #expect(detection.watchedCount == 2)
        let keys = [SeriesKey(name: "stagebox_stream_plays_total"), SeriesKey(name: "stagebox_stream_skips_total")]
        #expect(detection.watchedKeys == keys)
    }

    @Test("what says nothing of health is not watched")
    func unwatched() {
        var detection = NodeDetection(DetectorConfiguration(seed: 4))
        let names = [
            "node_time_seconds", "stagebox_agent_series", "node_uname_info", "node_boot_time_seconds", "node_load1",
        ]
        _ = detection.observe(
            Scrape(
                timestamp: Timestamp(seconds: 1), intervalMilliseconds: 1000, layout: 1,
                newDescriptors: names.map { SeriesDescriptor(key: SeriesKey(name: $0), type: .gauge) },
                handles: [0, 1, 2, 3, 4], values: [1, 2, 3, 4, 5]), .collectors)
        #expect(detection.watchedCount == 1)
    }
}
