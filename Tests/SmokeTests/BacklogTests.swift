import Glibc
import TestSupport
import Testing

extension RealProcessTests {
    @Test("R17 started on a large backlog the agent stays below 64 MiB and drains it")
    func largeBacklog() throws {
        let backlog = SmokePrograms.isFull ? 2 << 30 : 256 << 20
        let tree = try SmokeTree("backlog", agentOptions: ["--buffer-bytes", "\(2 * backlog)"])
        defer { tree.stopAll() }
        try tree.start()
        tree.killAggregator()
        // Of text that compresses to three quarters; each request becomes one row.
        let shape = EventLoader.Shape(eventsPerRequest: 56, pauseMicroseconds: 0, padding: 496)
        let begin = monotonicSeconds()
        let loaders = (0..<4).map { EventLoader(port: tree.intakePort, shape: shape, seed: 100 + $0) }
        defer { loaders.forEach { $0.stop() } }
        try tree.wait("\(backlog >> 20) MiB are buffered", seconds: SmokePrograms.isFull ? 600 : 90) {
            usleep(200_000)
            return try tree.bufferedBytes() >= backlog
        }
        let tallies = loaders.map { $0.stop() }
        let built = monotonicSeconds()
        let whileLoading = try tree.agentMemory("VmHWM")

        tree.killAgent()
        try tree.startAggregator()
        try tree.startAgent()
        try tree.wait("the agent knows its backlog", seconds: 30) { try tree.bufferedBytes() > 0 }
        let atStart = try tree.bufferedBytes()
        // In CI its first half must go: the rest goes the same way.
        let goal = SmokePrograms.isFull ? 1 << 20 : atStart / 2
        let started = monotonicSeconds()
        try tree.wait("the backlog drains", seconds: SmokePrograms.isFull ? 900 : 90) {
            usleep(200_000)
            return try tree.bufferedBytes() <= goal
        }
        let left = try tree.bufferedBytes()
        let peak = try tree.agentMemory("VmHWM")
        print(
            "backlog: \(tallies.map(\.promised.count).reduce(0, +)) events, \(atStart >> 20) MiB built in",
            "\(Int(built - begin)) s (peak \(whileLoading >> 10) KiB); started on it: peak \(peak >> 10) KiB,",
            "\((atStart - left) >> 20) MiB drained in \(Int(monotonicSeconds() - started)) s")
        #expect(atStart >= backlog * 9 / 10)
        #expect(peak <= 64 << 20, "VmHWM \(peak) bytes")
    }
}
