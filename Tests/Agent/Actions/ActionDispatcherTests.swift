import Actions
import RuntimeSupport
import Telemetry
import Testing

@Suite("Actions are done one at a time") struct ActionDispatcherTests {
    private let time = Timestamp(seconds: 1_790_000_000)

    private func dispatcher(_ text: String) throws -> ActionDispatcher {
        ActionDispatcher(try LocalAction.read(try SettingsDocument(text, source: "guard.yaml")))
    }

    @Test("in the order of the findings, the next when the one before has ended")
    func order() throws {
        var actions = try dispatcher("actions.a: exec /bin/a\nactions.b: log\nactions.b.on: closed")
        let refused =
            actions.offer(Samples.rule(1), now: 0, time: time)
            + actions.offer(Samples.rule(1, until: time), now: 0, time: time)
        #expect(refused.isEmpty)
        var next = actions.next()
        let first = try #require(next)
        #expect(first.action.name == "a" && first.finding.until == nil)
        next = actions.next()
        #expect(next == nil)
        actions.ended(first.number + 1)
        next = actions.next()
        #expect(next == nil)
        actions.ended(first.number)
        next = actions.next()
        let second = try #require(next)
        actions.ended(second.number)
        next = actions.next()
        let third = try #require(next)
        #expect(second.action.name == "a" && third.action.name == "b" && third.finding.until == time)
        actions.ended(third.number)
        next = actions.next()
        #expect(next == nil)
    }

    @Test("an action is taken up so many times within any hour, the rest is refused by name")
    func rate() throws {
        var actions = try dispatcher("actions.a: log\nactions.a.rate: 2")
        var refused: [ActionOutcome] = []
        for minute in [0, 10, 20, 59, 60, 61, 70] as [Int64] {
            refused += actions.offer(Samples.rule(UInt64(minute)), now: minute * 60_000, time: time)
        }
        #expect(refused.map(\.finding.low) == [20, 59, 61] && refused.allSatisfy { $0.result == .rateLimited })
        #expect(actions.waitingCount == 4)
    }

    @Test("what finds the queue full is refused")
    func queue() throws {
        var actions = try dispatcher("actions.a: log\nactions.a.rate: 360")
        var refused: [ActionOutcome] = []
        for number in 0..<40 { refused += actions.offer(Samples.rule(UInt64(number)), now: 0, time: time) }
        #expect(actions.waitingCount == ActionDispatcher.queueMax && refused.count == 8)
        #expect(refused.allSatisfy { $0.result == .queueFull })
        let stopped = actions.stop(time: time)
        #expect(stopped.count == 32 && stopped.allSatisfy { $0.result == .interrupted })
        let next = actions.next()
        #expect(next == nil)
    }

    @Test("an action that the guard file takes away is not done any more, and one that it changed neither")
    func replaced() throws {
        var actions = try dispatcher("actions.a: log\nactions.b: log")
        let refused = actions.offer(Samples.rule(1), now: 0, time: time)
        #expect(refused.isEmpty)
        let other = try LocalAction.read(try SettingsDocument("actions.b: exec /bin/b", source: "guard.yaml"))
        let gone = actions.replace(other, time: time)
        #expect(gone.map(\.action) == ["a", "b"])
        let next = actions.next()
        #expect(next == nil)
    }

    @Test("a detail is one printable line of bounded length")
    func details() {
        #expect(ActionOutcome.printable("a\u{1b}[31m\n\tb\u{7f}  ") == "a [31m  b")
        #expect(ActionOutcome.printable(String(repeating: "é", count: 500)).utf8.count <= ActionOutcome.detailBytesMax)
    }
}
