import AgentCore
import Detection
import Synchronization
import Telemetry
import TestSupport
import Testing

/// Two recordings of a machine with two processors, as the agent measured it, made with `bench-faults --record`. `node`: 29
/// minutes of rest and light work, six faults of 75 s with as much between them, then builds at a load of 10 to 33 and,
/// among them, 26 minutes after these, the same six faults again. `busy`, made later, by which nothing was chosen: 34
/// quiet minutes and six faults, among which builds begin.
@Suite("Real faults, recorded", .serialized, .ownThread) struct RecordedFaultsTests {
    private struct Outcome: Sendable {
        var rows: [FaultTable.Row] = []
        var outside: [Finding] = []
        var opened: [Finding] = []
        var span: ClosedRange<Int64> = 0...0
        var metrics = 0
        var stateBytes = 0
        /// Minutes since the start.
        func minute(_ finding: Finding) -> Int64 { (finding.since.milliseconds - span.lowerBound) / 60_000 }
    }

    private static let folder = "\(#filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" })/Recordings"

    /// What was judged already: a replay takes seconds.
    private static let kept = Mutex<[String: Outcome]>([:])

    private func outcome(_ name: String = "node", seed: UInt64 = 1) throws -> Outcome {
        if let known = Self.kept.withLock({ $0["\(name) \(seed)"] }) { return known }
        let outcome = try judged(name, seed: seed)
        Self.kept.withLock { $0["\(name) \(seed)"] = outcome }
        return outcome
    }

    private func judged(_ name: String = "node", seed: UInt64 = 1) throws -> Outcome {
        let table = try FaultTable(text: Files.text("\(Self.folder)/\(name).faults"))
        let recording = try DetectionRecording(bytes: Files.read("\(Self.folder)/\(name).sbdr"))
        var replay = DetectionReplay(recording, DetectorConfiguration(seed: seed))
        var outcome = Outcome()
        try replay.run { finding, _ in if finding.until == nil { outcome.opened.append(finding) } }
        (outcome.rows, outcome.outside) = table.judge(outcome.opened)
        outcome.span = try #require(replay.span)
        outcome.metrics = replay.detection.watchedCount
        outcome.stateBytes = replay.detection.stateBytes
        return outcome
    }

    @Test("each is found by its group, within 45 s, after half an hour of learning", arguments: [1, 2, 3] as [UInt64])
    func found(seed: UInt64) throws {
        let faults = ["cpu", "memory", "disk", "network", "silence", "storm"]
        for (name, rounds) in [("node", 2), ("busy", 1)] {
            let outcome = try outcome(name, seed: seed)
            let names = outcome.rows.map(\.fault.name)
            #expect(names == Array(repeatElement(faults, count: rounds).joined()))
            for row in outcome.rows.prefix(faults.count) {
                let delay = try #require(row.delayMilliseconds, "\(name): \(row.fault.name) is not found")
                #expect(delay <= 45_000, "\(name): \(row.fault.name) after \(delay) ms")
            }
        }
    }

    @Test("each but the burnt cores is told again amid builds, which burn them, too", arguments: [1, 2, 3] as [UInt64])
    func again(seed: UInt64) throws {
        let rows = try outcome(seed: seed).rows.suffix(6)
        // Amid builds a disk fills by steps anyway.
        let most: [String: Int64] = [
            "memory": 45_000, "disk": 75_000, "network": 45_000, "silence": 45_000, "storm": 45_000,
        ]
        for row in rows {
            guard let most = most[row.fault.name] else { continue }
            let delay = try #require(row.delayMilliseconds, "\(row.fault.name) is not told again")
            #expect(delay <= most, "\(row.fault.name) after \(delay) ms")
        }
    }

    @Test("rest has no finding, and builds, which are new to the machine, few")
    func calm() throws {
        let outcome = try outcome()
        #expect(outcome.metrics > 600)
        #expect(outcome.outside.allSatisfy { outcome.minute($0) >= 44 }, "\(outcome.outside)")
        // In seven and in 37 minutes of builds, less the faults.
        #expect(outcome.outside.count { outcome.minute($0) < 50 } <= 5, "\(outcome.outside)")
        #expect(outcome.outside.count <= 16, "\(outcome.outside)")
        #expect(outcome.stateBytes / outcome.metrics <= 1_900)
        let busy = try self.outcome("busy")
        #expect(busy.outside.count <= 2, "\(busy.outside)")
    }

    @Test("the same recording and seed give the same findings")
    func deterministic() throws {
        // As texts: a shape may have gaps, which are NaN and so not even equal to themselves.
        let (first, second) = (try outcome().opened.map { "\($0)" }, try judged().opened.map { "\($0)" })
        #expect(first == second && first.count > 12)
    }
}
