import AgentCore
import Buffer
import Collectors
import Control
import Intake
import RuntimeSupport
import Telemetry
import TestSupport
import Testing
import WireFormat

/// RELIABILITY R7, R9: what a disk that takes nothing does to samples.
@Suite("The engine and a disk that takes nothing")
struct EngineStorageTests {
    private func pushed(_ name: String, _ value: Double, at time: Timestamp) -> MetricRecord {
        MetricRecord(
            descriptor: SeriesDescriptor(key: SeriesKey(name: name), type: .gauge),
            sample: Sample(timestamp: time, value: value))
    }

    private func records(_ bench: ControlBench) -> Int { bench.arrived.values.reduce(0) { $0 + Int($1) } }

    private func produced(_ buffer: Buffer) -> UInt64 { buffer.ledger().reduce(0) { $0 + $1.produced.records } }

    @Test("samples wait in memory while nothing can be stored, and all of them are stored once afterwards")
    func retained() throws {
        let bench = try ControlBench()
        let buffer = try #require(bench.buffer)
        // Rows on their way may not give way.
        bench.acknowledges = false
        bench.run(seconds: 25)
        try buffer.limitFile(pages: buffer.filePages().all)
        bench.run(seconds: 180)
        let before = produced(buffer)
        #expect(bench.metrics.value("stagebox_agent_flush_failures_total") ?? 0 > 3)
        #expect(bench.metrics.value("stagebox_agent_samples_unstored") ?? 0 > 100)
        bench.run(seconds: 30)
        #expect(produced(buffer) == before)
        try buffer.limitFile(pages: nil)
        bench.acknowledges = true
        bench.run(seconds: 60)
        #expect(bench.metrics.value("stagebox_agent_samples_unstored") == 0)
        bench.stop()
        #expect(produced(buffer) == 2 * (25 + 180 + 30 + 60))
        #expect(buffer.ledger().allSatisfy { $0.isBalanced && $0.droppedTotal.records == 0 })
    }

    @Test("findings are rows of the alert lane at once, and wait in order for a disk that takes nothing")
    func findings() throws {
        func finding(_ id: UInt64) -> Finding {
            Finding(
                id: ID128(high: 0, low: id), group: "cpu", since: Timestamp(seconds: 1), score: 1,
                peakAt: Timestamp(seconds: 1), anomalousCount: 1)
        }
        let bench = try ControlBench()
        let buffer = try #require(bench.buffer)
        func alerts() -> UInt64 {
            buffer.ledger().reduce(0) { $0 + ($1.laneKey.lane == .alert ? $1.produced.records : 0) }
        }
        bench.tell([finding(1)])
        #expect(alerts() == 1)
        bench.acknowledges = false
        bench.run(seconds: 25)
        try buffer.limitFile(pages: buffer.filePages().all)
        bench.run(seconds: 180)
        for id in 2...400 { bench.tell([finding(UInt64(id))]) }
        try buffer.limitFile(pages: nil)
        bench.acknowledges = true
        bench.run(seconds: 30)
        let dropped = UInt64(bench.metrics.value("stagebox_anomaly_findings_dropped_total") ?? 0)
        #expect(alerts() + dropped == 400)
        #expect(alerts() >= 256)
        #expect(buffer.ledger().allSatisfy { $0.isBalanced })
    }

    @Test("a flush of several rows of which some cannot be stored loses and doubles none", arguments: 1...12)
    func several(step: Int) throws {
        let bench = try ControlBench()
        let buffer = try #require(bench.buffer)
        let width = 60_000
        var isFirst = true
        func second() {
            bench.second { time in
                defer { isFirst = false }
                return Scrape(
                    timestamp: time, intervalMilliseconds: 1000, layout: 1,
                    newDescriptors: isFirst
                        ? (0..<width).map { SeriesDescriptor(key: SeriesKey(name: "s\($0)"), type: .gauge) } : [],
                    handles: Array(0..<UInt32(width)),
                    values: (0..<width).map { Double(($0 &* 2_654_435_761) & 0xffff_ffff) / 7 })
            }
        }
        second()
        for _ in 0..<10 { bench.second { Scrape(timestamp: $0, intervalMilliseconds: 1000) } }
        try #require(records(bench) == width)
        bench.acknowledges = false
        second()
        try buffer.limitFile(pages: buffer.filePages().all + step * 150)
        for _ in 0..<12 { bench.second { Scrape(timestamp: $0, intervalMilliseconds: 1000) } }
        try buffer.limitFile(pages: nil)
        bench.acknowledges = true
        for _ in 0..<400 where records(bench) < 2 * width {
            bench.second { Scrape(timestamp: $0, intervalMilliseconds: 1000) }
        }
        #expect(records(bench) == 2 * width)
        #expect(buffer.ledger().allSatisfy { $0.isBalanced && $0.droppedTotal.records == 0 })
    }

    @Test("what an application pushes is in a row when it is answered, and nothing of it when it is refused")
    func pushes() throws {
        let bench = try ControlBench()
        let buffer = try #require(bench.buffer)
        bench.acknowledges = false
        let now = bench.time.now
        #expect(bench.submit([pushed("a", 1, at: now), pushed("b", 2, at: now)]) == .committed(duplicates: 0))
        #expect(produced(buffer) == 2)
        try buffer.limitFile(pages: buffer.filePages().all)
        var (taken, refused) = (UInt64(2), 0)
        for value in 0..<40 {
            bench.time.advance(milliseconds: 10)
            switch bench.submit([pushed("a", Double(value), at: bench.time.now)]) {
            case .committed: taken += 1
            case .failed: refused += 1
            default: Issue.record("answered otherwise, or not once")
            }
        }
        #expect(refused > 10 && produced(buffer) == taken)
        try buffer.limitFile(pages: nil)
        #expect(bench.submit([pushed("a", 3, at: bench.time.now)]) == .committed(duplicates: 0))
        #expect(produced(buffer) == taken + 1)
        #expect(buffer.ledger().allSatisfy { $0.isBalanced && $0.droppedTotal.records == 0 })
    }

    @Test("labels as long as they may be do not stand in the way of other series")
    func longLabels() throws {
        let bench = try ControlBench()
        let buffer = try #require(bench.buffer)
        let value = String(repeating: "x", count: SeriesLimits.labelValueBytesMax - 8)
        for round in 0..<20 {
            let records = (0..<100).map { index in
                let labels = (0..<20).map { Label("label\($0)", value + "\(round * 100 + index)") }
                return MetricRecord(
                    descriptor: SeriesDescriptor(key: SeriesKey(name: "long", labels: labels), type: .gauge),
                    sample: Sample(timestamp: bench.time.now, value: 1))
            }
            _ = bench.submit(records)
        }
        bench.run(seconds: 30)
        #expect(records(bench) > 40)
        #expect(bench.metrics.value("stagebox_agent_samples_unstored") == 0)
        #expect(buffer.ledger().allSatisfy { $0.isBalanced })
    }

    @Test("what was gathered while the agent says goodbye is stored")
    func goodbye() throws {
        let bench = try ControlBench()
        let buffer = try #require(bench.buffer)
        bench.run(seconds: 3)
        bench.stop()
        #expect(produced(buffer) == 6)
    }

    @Test("a reload names what takes a restart, and says that the guard's limits changed")
    func reload() throws {
        let bench = try ControlBench()
        bench.nodeSettings.intakeRecordsMax = 5
        bench.nodeSettings.flushIntervalMilliseconds = 5000
        bench.guardLimits.allowsRemoteCommands = false
        bench.reload()
        #expect(bench.notes.contains("these take effect with a restart only: intake.records-max"))
        #expect(bench.notes.contains("the guard file's limits changed"))
        let count = bench.notes.count
        bench.nodeSettings.intakeRecordsMax = AgentSettings().intakeRecordsMax
        bench.reload()
        #expect(bench.notes.count == count)
    }
}
