import AggregatorCore
import Interchange
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Forwarding by remote write") struct ForwarderTests {
    /// A store whose samples are forwarded to a receiver in memory that answers as it is told.
    private final class Bench {
        let directory: TemporaryDirectory
        let time = ManualTimeSource()
        let stores: StoreDirectory
        let store: TenantStore
        var settings = ForwardSettings()
        var answers: [Forwarder.Outcome] = []
        /// Of requests that were taken.
        var samples: [SeriesKey: [Int64: Double]] = [:]
        var families: [MetricFamily] = []
        var requests = 0
        var repeated = 0
        var reports: [String] = []

        init() throws {
            directory = try TemporaryDirectory()
            stores = StoreDirectory(root: directory.path, time: time)
            store = try stores.tenant(TenantID(unchecked: "acme"))
        }
        deinit { stores.closeAll() }

        func forwarder(refusing isRefused: @escaping (SeriesKey) -> Bool = { _ in false }) throws -> Forwarder {
            try Forwarder(
                store, settings, time: time, metrics: stores.metrics, report: { [unowned self] in reports.append($0) }
            ) { [unowned self] in take($0, isRefused) }
        }

        private func take(_ body: [UInt8], _ isRefused: (SeriesKey) -> Bool) -> Forwarder.Outcome {
            requests += 1
            if !answers.isEmpty {
                let answer = answers.removeFirst()
                if answer != .taken { return answer }
            }
            var decoder = RemoteWriteDecoder(seed: 1)
            var columns = SampleColumns()
            var keys: [SeriesKey] = []
            let summary = try? decoder.decode(body, .one, into: &columns) { key, _ in
                keys.append(key)
                return UInt32(keys.count - 1)
            }
            families = summary?.metadata ?? []
            if keys.contains(where: isRefused) { return .refused("400 out of bounds") }
            for index in columns.values.indices {
                let key = keys[Int(columns.series[index])]
                if samples[key, default: [:]].updateValue(columns.values[index], forKey: columns.timestamps[index])
                    != nil
                {
                    repeated += 1
                }
            }
            return .taken
        }

        func push(_ series: Range<Int>, samples count: Int64 = 1) throws {
            var write = SampleWrite()
            for number in series {
                write.begin(
                    store.pushed.add(
                        SeriesDescriptor(
                            key: SeriesKey(name: "m\(number % 2)", labels: [Label("n", "\(number)")]), type: .gauge)))
                for index in 0..<count { write.append(time.now.milliseconds + index, Double(number)) }
            }
            try store.commit(pushed: try store.prepare(write))
            time.advance(milliseconds: 5000)
        }
        func run(_ forwarder: inout Forwarder, steps: Int = 1000) throws {
            for _ in 0..<steps where try forwarder.step() == 1000 { return }
        }
        func value(_ name: String) -> Double { stores.metrics.value(name, "tenant", "acme") ?? 0 }
    }

    @Test("requests hold at most what they may, and come in the order of the commits")
    func requests() throws {
        let bench = try Bench()
        bench.settings.samplesPerSend = 70
        var forwarder = try bench.forwarder()
        for step in 0..<10 { try bench.push(step * 10..<step * 10 + 20, samples: 3) }
        try bench.run(&forwarder)
        #expect(bench.requests == 9)
        #expect(bench.samples.values.reduce(0) { $0 + $1.count } == 600 && bench.repeated == 0)
        #expect(bench.value("stagebox_forward_sent_samples_total") == 600)
    }

    @Test("a receiver that is away is asked again with growing waits; then everything arrives")
    func later() throws {
        let bench = try Bench()
        var forwarder = try bench.forwarder()
        try bench.push(0..<5)
        bench.answers = [.later("503 x"), .later("429 x"), .later("cannot connect")]
        for _ in 0..<3 { #expect(try (100...4000).contains(forwarder.step())) }
        #expect(bench.samples.isEmpty && bench.reports.count == 1)
        try bench.run(&forwarder)
        #expect(bench.samples.count == 5 && bench.requests == 4 && bench.value("stagebox_forward_retries_total") == 3)
        #expect(bench.reports.count == 2 && bench.reports[1].contains("again"))
    }

    @Test("a restart repeats what was on its way, and nothing else")
    func restart() throws {
        let bench = try Bench()
        bench.settings.samplesPerSend = 10
        var forwarder = try bench.forwarder()
        try bench.push(0..<25)
        #expect(try forwarder.step() == 0)
        // Answered, but the process dies before that is durable.
        var second = try bench.forwarder()
        try bench.run(&second)
        #expect(bench.samples.count == 25 && bench.repeated == 10)
    }

    @Test("of a refused request only the part with what is refused is dropped, and counted")
    func refusals() throws {
        let bench = try Bench()
        var forwarder = try bench.forwarder { $0["n"] == "33" }
        try bench.push(0..<64)
        try bench.run(&forwarder)
        #expect(bench.samples.count == 60 && bench.requests == 17)
        #expect(bench.value("stagebox_forward_refused_samples_total") == 4)
        #expect(bench.value("stagebox_forward_sent_samples_total") == 60)
        try bench.push(64..<70)
        try bench.run(&forwarder)
        #expect(bench.samples.count == 66)
    }

    @Test("each request tells the types of its metrics, by family as Prometheus does")
    func types() throws {
        let bench = try Bench()
        var forwarder = try bench.forwarder()
        var write = SampleWrite()
        let metrics: [(String, MetricType)] = [
            ("a_total", .counter), ("b", .gauge), ("c_bucket", .histogram), ("c_count", .histogram), ("d", .unknown),
        ]
        for (name, type) in metrics {
            write.begin(bench.store.pushed.add(SeriesDescriptor(key: SeriesKey(name: name, labels: []), type: type)))
            write.append(bench.time.now.milliseconds, 1)
        }
        try bench.store.commit(pushed: try bench.store.prepare(write))
        bench.time.advance(milliseconds: 5000)
        try bench.run(&forwarder)
        #expect(
            bench.families == [
                MetricFamily(name: "a_total", type: .counter), MetricFamily(name: "b", type: .gauge),
                MetricFamily(name: "c", type: .histogram),
            ])
        #expect(bench.samples.count == 5)
        try bench.push(1..<2)
        try bench.run(&forwarder)
        #expect(bench.families == [MetricFamily(name: "m1", type: .gauge)])
    }

    @Test("a request tells help and units, too, where they are known")
    func texts() throws {
        let bench = try Bench()
        var forwarder = try bench.forwarder()
        let told = try #require(MetricMetadata(name: "m1", type: .counter, unit: "bytes", help: "What went out."))
        try bench.store.note([told])
        try bench.push(0..<2)
        try bench.run(&forwarder)
        #expect(
            bench.families == [
                MetricFamily(name: "m0", type: .gauge),
                MetricFamily(name: "m1", type: .counter, unit: "bytes", help: "What went out."),
            ])
    }

    @Test("only series that match are sent")
    func selection() throws {
        let bench = try Bench()
        bench.settings.matchers = [.equal("__name__", "m1")]
        var forwarder = try bench.forwarder()
        try bench.push(0..<10)
        try bench.run(&forwarder)
        #expect(bench.samples.count == 5 && bench.requests == 1)
    }

    @Test("a receiver that says when to come again is not asked earlier; requests share a connection", .ownThread)
    func retryAfter() throws {
        let server = try LoopbackHTTP([
            .status(200), .status(429, "Retry-After: 120\r\n"), .status(503, "Retry-After: 90\r\n"), .status(503),
        ])
        let bench = try Bench()
        bench.settings.url = "http://127.0.0.1:\(server.port)/api/v1/write"
        bench.settings.samplesPerSend = 10
        let client = try #require(RemoteWriteClient(bench.settings, time: bench.time))
        var forwarder = try Forwarder(
            bench.store, bench.settings, time: bench.time, metrics: bench.stores.metrics, report: { _ in }
        ) { client.send($0) }
        try bench.push(0..<25)
        #expect(try forwarder.step() == 0)
        #expect(try forwarder.step() == 120_000)
        #expect(try forwarder.step() == 90_000)
        #expect(try (100...4000).contains(forwarder.step()))
        try bench.run(&forwarder)
        #expect(bench.value("stagebox_forward_sent_samples_total") == 25)
        #expect(server.bodies.count == 6 && Set(server.bodies).count == 3)
        #expect(server.connections == 1 && client.connectionCount == 1)
    }

    @Test(
        "Retry-After is seconds or a date, at most ten minutes",
        arguments: [
            ("0", 0), ("17", 17_000), ("86400", 600_000), ("99999999999999999999", nil), ("-1", nil), ("+5", nil),
            ("soon", nil), ("thu, 01 jan 1970 00:00:30 gmt", 25_000), ("Thu, 01 Jan 1970 00:00:01 GMT", 0),
            ("Fri, 02 Jan 1970 00:00:00 GMT", 600_000), ("Thu, 41 Jan 1970 00:00:30 GMT", nil), ("", nil),
        ] as [(String, Int64?)])
    func retryAfterTexts(text: String, expected: Int64?) {
        #expect(RetryAfter.milliseconds(text, now: Timestamp(milliseconds: 5000)) == expected)
    }

    @Test(
        "what a status means",
        arguments: [
            (200, Forwarder.Outcome.taken), (204, .taken), (301, .later("301 x")), (400, .refused("400 x")),
            (401, .later("401 x")), (404, .later("404 x")), (422, .refused("422 x")), (429, .later("429 x")),
            (415, .later("415 x")), (500, .later("500 x")),
        ])
    func statuses(status: Int, expected: Forwarder.Outcome) {
        #expect(Forwarder.Outcome(status: status, text: "x") == expected)
    }
}
