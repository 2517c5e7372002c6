import AgentCore
import Telemetry
import Testing

@Suite("Findings open and close once") struct FindingTrackerTests {
    private let id = ID128(high: 0, low: 7)

    private func look(
        _ second: Int64, alarm: Bool = false, anomalous: [Int] = [], score: Float = 0.5
    ) -> FindingTracker.Look {
        var look = FindingTracker.Look(time: second * 1000)
        look.isAlarm = alarm
        look.score = score
        look.anomalous = anomalous.map { ($0, score) }
        return look
    }

    private func changes(_ tracker: inout FindingTracker, _ looks: [FindingTracker.Look]) -> [FindingTracker.Change] {
        looks.compactMap { tracker.observe($0, id: id) }
    }

    @Test("an alarm opens one finding; anomalies alone open none; it closes after forty seconds of calm")
    func lifecycle() throws {
        var tracker = FindingTracker(group: .cpu)
        #expect(changes(&tracker, (0..<100).map { look($0, anomalous: [1, 2]) }).isEmpty)
        let opened = changes(&tracker, [look(100, alarm: true, anomalous: [1, 2])])
        guard case .opened(let finding)? = opened.first else {
            Issue.record("nothing opened")
            return
        }
        #expect(finding.group == "cpu" && finding.since == Timestamp(seconds: 100) && finding.until == nil)
        // Further alarms of the same trouble, and one of its two metrics staying strange, keep it open.
        #expect(
            changes(&tracker, (101..<200).map { look($0, alarm: $0 % 10 == 0, anomalous: [1], score: 0.9) }).isEmpty)
        let closed = changes(&tracker, (200..<400).map { look($0, anomalous: [5]) })
        guard case .closed(let end)? = closed.first else {
            Issue.record("nothing closed")
            return
        }
        #expect(closed.count == 1 && end.id == finding.id && end.since == finding.since)
        #expect(end.until == Timestamp(seconds: 199))
        #expect(end.score > 0.85 && end.anomalousCount == 100)
        #expect(tracker.open == nil)
    }

    @Test(
        "a finding that an earlier start left open goes on under its id, and ends when it was last known to be strange")
    func adopted() throws {
        let left = Finding(
            id: ID128(high: 4, low: 4), group: "cpu", since: Timestamp(seconds: 100), score: 0.5,
            peakAt: Timestamp(seconds: 150), anomalousCount: 3)
        var calm = FindingTracker(group: .cpu)
        calm.adopt(left)
        #expect(changes(&calm, (1000..<1040).map { look($0) }).isEmpty)
        guard case .closed(let end)? = changes(&calm, [look(1040)]).first else {
            Issue.record("still open")
            return
        }
        #expect(end.id == left.id && end.since == left.since && end.until == left.peakAt)
        var strange = FindingTracker(group: .cpu)
        strange.adopt(left)
        #expect(changes(&strange, (1000..<1100).map { look($0, alarm: $0 < 1050, anomalous: [1], score: 0.9) }).isEmpty)
        #expect(strange.open?.id == left.id && strange.open?.since == left.since)
        guard case .closed(let later)? = changes(&strange, (1100..<1200).map { look($0) }).first else {
            Issue.record("still open")
            return
        }
        #expect(later.id == left.id && later.until == Timestamp(seconds: 1099) && later.score > 0.85)
    }

    @Test("a clock set back closes a finding rather than contradict itself")
    func clockBack() {
        var tracker = FindingTracker(group: .disk)
        _ = tracker.observe(look(1000, alarm: true, anomalous: [1]), id: id)
        guard case .closed(let finding)? = tracker.observe(look(10, anomalous: [1]), id: id) else {
            Issue.record("still open")
            return
        }
        #expect(finding.until == finding.since)
        #expect(tracker.observe(look(11, alarm: true, anomalous: [1]), id: id) != nil)
    }

    @Test("involved metrics are bounded, the strangest first")
    func bounded() {
        var tracker = FindingTracker(group: .network)
        var wide = FindingTracker.Look(time: 0)
        wide.isAlarm = true
        wide.anomalous = (0..<500).map { ($0, Float($0) / 500) }
        _ = tracker.observe(wide, id: id)
        #expect(tracker.involved.count == FindingTracker.involvedMax)
        #expect(tracker.involved.keys.min() == 500 - FindingTracker.involvedMax)
    }
}
