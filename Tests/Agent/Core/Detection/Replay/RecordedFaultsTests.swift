import AgentCore
import Detection
import Telemetry
import TestSupport
import Testing

/// Fifty minutes of a machine with two processors, as the agent measured it: 29 of rest and light work, six faults of
/// 75 s with as much between them, and at last builds. Recorded with `bench-faults --record`.
@Suite("Real faults, recorded") struct RecordedFaultsTests {
    private struct Outcome {
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

    private func judged(seed: UInt64 = 1) throws -> Outcome {
        let table = try FaultTable(text: Files.text("\(Self.folder)/node.faults"))
        let recording = try DetectionRecording(bytes: Files.read("\(Self.folder)/node.sbdr"))
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
        let outcome = try judged(seed: seed)
        let names = outcome.rows.map(\.fault.name)
        #expect(names == ["cpu", "memory", "disk", "network", "silence", "storm"])
        for row in outcome.rows {
            let delay = try #require(row.delayMilliseconds, "\(row.fault.name) is not found")
            #expect(delay <= 45_000, "\(row.fault.name) after \(delay) ms")
        }
    }

    @Test("rest has no finding, and builds, which are new to the machine, few")
    func calm() throws {
        let outcome = try judged()
        #expect(outcome.metrics > 500)
        #expect(outcome.outside.allSatisfy { outcome.minute($0) >= 44 }, "\(outcome.outside)")
        #expect(outcome.outside.count <= 5, "\(outcome.outside)")
        #expect(outcome.stateBytes / outcome.metrics <= 2_700)
    }

    @Test("the same recording and seed give the same findings")
    func deterministic() throws {
        // As texts: a shape may have gaps, which are NaN and so not even equal to themselves.
        let (first, second) = (try judged().opened.map { "\($0)" }, try judged().opened.map { "\($0)" })
        #expect(first == second && first.count > 6)
    }
}
