import Glibc
import MQTT
import TestSupport
import Testing

extension RealProcessTests {
    @Test("SIGTERM ends the agent with status 0, and what it had gathered since its last flush arrives later")
    func cleanShutdown() throws {
        let tree = try SmokeTree("shutdown")
        defer { tree.stopAll() }
        try tree.start()
        try tree.wait("samples arrive", seconds: 30) { try !tree.timestamps(of: "node_load1").isEmpty }
        // From now on nothing leaves this machine, and no flush comes by itself.
        tree.killAggregator()
        #expect(tree.agent?.terminate() == .code(0), "\(tree.tails)")
        try tree.startAgent(flushSeconds: 60)
        let name = "smoke_shutdown_value"
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = Int64(time.tv_sec) * 1000
        let answer = try tree.intake(
            "POST", "/v1/metrics", body: "{\"name\":\"\(name)\",\"type\":\"gauge\",\"value\":1,\"timestamp\":\(now)}")
        #expect(answer.status == 200, "\(answer.text)")
        let begin = monotonicSeconds()
        #expect(tree.agent?.terminate() == .code(0), "\(tree.tails)")
        #expect(monotonicSeconds() - begin < 8)

        try tree.startAggregator()
        try tree.startAgent(flushSeconds: 60)
        try tree.wait("the sample from before the shutdown arrives", seconds: 45) {
            try tree.timestamps(of: name).values.contains { $0 == [now] }
        }
        // The aggregator ends as cleanly and takes its broker along.
        #expect(tree.aggregator?.terminate(withinSeconds: 20) == .code(0), "\(tree.tails)")
        #expect(Waiting.until(withinSeconds: 10) { !FreePort.isListening(tree.brokerPort) }, "the broker still runs")
    }
}
