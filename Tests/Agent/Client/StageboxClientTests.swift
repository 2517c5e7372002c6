import AgentCore
import CoreMetrics
import Glibc
import Intake
import StageboxClient
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("The client library", .serialized, .ownThread)
struct StageboxClientTests {
    /// A real intake whose engine keeps what it gets.
    private final class Agent: Sendable {
        let events = Mutex<[ListeningEvent]>([])
        let metrics = Mutex<[MetricRecord]>([])
        let outcome = Mutex(IntakeOutcome.committed(duplicates: 0))
        private let running = Mutex<IntakeServer?>(nil)

        init(path: String) throws {
            var configuration = IntakeServerConfiguration()
            configuration.host = nil
            configuration.socketPath = path
            let pseudonymise: Pseudonymise = { UserPseudonym(high: UInt64($0.count), low: 9) }
            let hooks = IntakeServerHooks(
                eventParser: EventParser(pseudonymVersion: 1, pseudonymise: pseudonymise),
                listenParser: ListenBrainzParser(pseudonymVersion: 1, pseudonymise: pseudonymise),
                now: { Timestamp(milliseconds: StageboxClientTests.wallClock()) },
                submit: { [weak self] in self?.take($0) ?? false }, metricsText: { "" })
            let server = try IntakeServer.start(configuration, hooks)
            running.withLock { $0 = server }
        }
        deinit { running.withLock { $0.take() }?.stop() }

        private func take(_ submission: IntakeSubmission) -> Bool {
            let outcome = outcome.withLock { $0 }
            if case .committed = outcome {
                events.withLock { $0 += submission.events }
                metrics.withLock { $0 += submission.metrics }
            }
            submission.reply(outcome)
            return true
        }
    }

    fileprivate static func wallClock() -> Int64 { Int64(time(nil)) * 1000 }

    private func client(_ path: String, bytesMax: Int = 4 << 20) -> StageboxClient {
        var configuration = StageboxClient.Configuration(address: .unixSocket(path))
        configuration.flushMilliseconds = 60_000  // only `flush` sends
        configuration.bytesMax = bytesMax
        return StageboxClient(configuration)
    }

    @Test("events arrive with all that was set, and refused ones are counted")
    func events() throws {
        let directory = try TemporaryDirectory("client")
        let agent = try Agent(path: directory.file("s"))
        let client = client(directory.file("s"))
        var event = StageboxEvent(id: "a\"\n", atMilliseconds: Self.wallClock())
        event.title = "å\u{1}"
        event.genres = ["x", "y"]
        event.millisecondsPlayed = 5
        event.shuffle = true
        client.send(event)
        client.send(StageboxEvent(id: "", atMilliseconds: 0))
        #expect(client.flush())
        let received = agent.events.withLock { $0 }
        #expect(received.count == 1 && received.first?.id == "a\"\n" && received.first?[.title] == "å\u{1}")
        #expect(received.first?[.genres] == "x;y" && received.first?[.shuffle] == 1)
        #expect(client.statistics.sent == 1 && client.statistics.refused == 1)
    }

    @Test("swift-metrics' kinds become series")
    func metrics() throws {
        let directory = try TemporaryDirectory("client")
        let agent = try Agent(path: directory.file("s"))
        let factory = StageboxMetrics(client(directory.file("s")))
        let counter = factory.makeCounter(label: "http.requests", dimensions: [("route", "/a")])
        counter.increment(by: 2)
        factory.makeCounter(label: "http.requests", dimensions: [("route", "/a")]).increment(by: 3)
        factory.makeRecorder(label: "depth", dimensions: [], aggregate: false).record(7 as Int64)
        factory.makeTimer(label: "latency", dimensions: []).recordNanoseconds(1_500_000_000)
        factory.makeTimer(label: "latency", dimensions: []).recordNanoseconds(500_000_000)
        #expect(factory.client.flush())
        func value(_ name: String) -> Double? {
            agent.metrics.withLock { $0.last { $0.descriptor.key.name == name }?.sample.value }
        }
        #expect(value("http_requests_total") == 5 && value("depth") == 7)
        #expect(value("latency_seconds_count") == 2 && value("latency_seconds_sum") == 2)
        #expect(value("latency_seconds_max") == 1.5)
        let descriptor = agent.metrics.withLock { $0.first { $0.descriptor.key.name == "http_requests_total" } }?
            .descriptor
        #expect(descriptor?.type == .counter && descriptor?.key["route"] == "/a")
        factory.destroyCounter(counter)
        agent.metrics.withLock { $0 = [] }
        #expect(factory.client.flush() && value("http_requests_total") == nil && value("depth") == 7)
    }

    @Test("what cannot be sent waits in bounded memory, and arrives once the agent is there")
    func bounded() throws {
        let directory = try TemporaryDirectory("client")
        let client = client(directory.file("s"), bytesMax: 1000)
        var kept = 0
        for index in 0..<100 {
            var event = StageboxEvent(id: "\(index)", atMilliseconds: Self.wallClock())
            event.track = "t"
            if client.send(event) { kept += 1 }
        }
        #expect(kept > 0 && kept < 100 && client.statistics.dropped == 100 - kept)
        #expect(!client.flush())
        let agent = try Agent(path: directory.file("s"))
        agent.outcome.withLock { $0 = .overloaded }
        #expect(!client.flush() && client.statistics.retries == 2)
        agent.outcome.withLock { $0 = .committed(duplicates: 0) }
        #expect(client.flush())
        #expect(client.statistics.sent == kept && agent.events.withLock { $0.count } == kept)
        client.shutdown()
        #expect(!client.send(StageboxEvent(id: "late", atMilliseconds: 0)))
    }
}
