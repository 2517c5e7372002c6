import Glibc
import TestSupport
import Testing

extension RealProcessTests {
    @Test("R1 the agent is killed three times while broker and aggregator are down: nothing promised is lost")
    func restartsWhileTheBrokerIsDown() throws {
        let tree = try SmokeTree("outage")
        defer { tree.stopAll() }
        try tree.start()
        tree.killAggregator()
        let loader = EventLoader(port: tree.intakePort, seed: SmokePrograms.seed)
        defer { loader.stop() }
        for _ in 0..<3 {
            let earlier = loader.tally.promised.count
            try tree.wait("events are taken in without a broker", seconds: 30) {
                loader.tally.promised.count > earlier + 200
            }
            tree.killAgent()
            try tree.startAgent()
        }
        let tally = loader.stop()
        try tree.startAggregator()
        try tree.expectEverything(tally, seconds: 60)
        try tree.expectEqualLedgers(seconds: 60)
    }

    @Test("R9 large events in one request span rows instead of becoming a loss")
    func largeRequests() throws {
        let tree = try SmokeTree("large")
        defer { tree.stopAll() }
        try tree.start()
        // Just below the intake's 1 MiB, of text that compresses to three quarters: three times the batch limit.
        let shape = EventLoader.Shape(eventsPerRequest: 240, pauseMicroseconds: 100_000, padding: 496)
        let loader = EventLoader(port: tree.intakePort, shape: shape, seed: SmokePrograms.seed)
        defer { loader.stop() }
        try tree.wait("some requests are answered", seconds: 30) { loader.tally.promised.count >= 960 }
        try tree.expectEverything(loader.stop(), seconds: 30)
        try tree.expectEqualLedgers(seconds: 30)
    }

    @Test("R11 memory does not grow with the outage: the broker is down while events come in at full rate")
    func memoryWhileTheBrokerIsDown() throws {
        let tree = try SmokeTree("memory", agentOptions: ["--buffer-bytes", "\(1 << 30)"])
        defer { tree.stopAll() }
        try tree.start()
        tree.killAggregator()
        let shape = EventLoader.Shape(eventsPerRequest: 20, pauseMicroseconds: 0, padding: 256)
        let loader = EventLoader(port: tree.intakePort, shape: shape, seed: SmokePrograms.seed)
        defer { loader.stop() }
        // Page cache of SQLite, recent event ids and stream labels fill up first.
        let warmUp = 8 << 20
        try tree.wait("the first 8 MiB are buffered", seconds: 60) { try tree.bufferedBytes() > warmUp }
        let early = try tree.agentMemory("VmRSS")
        let bytes = SmokePrograms.isFull ? 512 << 20 : 64 << 20
        let seconds = SmokePrograms.isFull ? 240.0 : 20
        let begin = monotonicSeconds()
        _ = try Waiting.until(withinSeconds: seconds) { try tree.bufferedBytes() > bytes }
        let buffered = try tree.bufferedBytes()
        let late = try tree.agentMemory("VmRSS")
        let tally = loader.stop()
        print(
            "memory while the broker is down: \(early >> 10) KiB, then \(late >> 10) KiB after",
            "\(tally.promised.count) events, \(buffered >> 20) MiB in \(Int(monotonicSeconds() - begin)) s")
        #expect(buffered > 2 * warmUp, "the load was no load")
        // What is queued in memory would be tens of MiB by now.
        #expect(late - early < 12 << 20)
        #expect(try tree.agentMemory("VmHWM") < 64 << 20)
    }
}
