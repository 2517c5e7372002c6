import AgentCore
import Testing

@Suite("The log's throttle")
struct LogThrottleTests {
    /// `#expect` calls no mutating function.
    private final class Box {
        var throttle = LogThrottle()
        func admit(_ kind: String, _ text: String, now: Int) -> String? { throttle.admit(kind, text, now: now) }
    }

    @Test("the same line comes once a minute, and the next says how often it was left out")
    func repeats() {
        let throttle = Box()
        #expect(throttle.admit("source", "down", now: 0) == "down")
        for second in 1..<60 { #expect(throttle.admit("source", "down", now: second) == nil) }
        #expect(throttle.admit("source", "down", now: 60) == "down (59 more were left out)")
        #expect(throttle.admit("uplink", "down", now: 60) == "down")
    }

    @Test("lines that alternate are bounded, too")
    func alternating() {
        let throttle = Box()
        let lines = (0..<6000).compactMap { throttle.admit("source", "target \($0 % 200)", now: $0 / 100) }
        #expect(lines.count == LogThrottle.linesPerWindow)
        #expect(throttle.admit("source", "x", now: 60)?.contains("5990 more") == true)
    }

    @Test("kinds beyond the bound share one, and a clock that steps back opens a new window")
    func bounds() {
        let throttle = Box()
        for kind in 0..<LogThrottle.kindsMax { #expect(throttle.admit("k\(kind)", "x", now: 100) == "x") }
        let more = (0..<1000).compactMap { throttle.admit("more\($0)", "x\($0)", now: 100) }
        #expect(more.count == LogThrottle.linesPerWindow)
        #expect(throttle.admit("k0", "x", now: 99) == "x")
    }
}
