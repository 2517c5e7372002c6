import AgentCore
import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("A recording for detection") struct DetectionRecordingTests {
    private static let lines = [
        #"{"metric":{"__name__":"node_load1","instance":"a"},"timestamps":[1000,2000,3000],"values":[1.5,null,2]}"#,
        #"{"metric":{"__name__":"node_time_seconds","instance":"a"},"timestamps":[1000,2000],"values":[1,2]}"#,
        #"{"metric":{"__name__":"node_forks_total","instance":"a"},"timestamps":[1000,2000,3000],"values":[1,2,9]}"#,
        #"{"metric":{"__name__":"stagebox_process_group_processes","group":"secretd"},"timestamps":[1000],"values":[3]}"#,
        #"{"metric":{"__name__":"stagebox_process_group_threads","group":"secretd"},"timestamps":[1000],"values":[4]}"#,
        "",
    ]

    private func writer(_ lines: [String]) throws -> RecordingWriter {
        var writer = RecordingWriter()
        for line in lines { try Array(line.utf8).withUnsafeBytes { try writer.add(line: $0) } }
        return writer
    }

    @Test("holds what detection watches of an export, without what the centre added and without names of processes")
    func export() throws {
        let writer = try writer(Self.lines)
        #expect(writer.seriesCount == 4 && writer.sampleCount == 8)
        let recording = try writer.recording()
        #expect(
            recording.series.map(\.descriptor) == [
                SeriesDescriptor(key: SeriesKey(name: "node_load1"), type: .unknown),
                SeriesDescriptor(key: SeriesKey(name: "node_forks_total"), type: .counter),
                SeriesDescriptor(
                    key: SeriesKey(name: "stagebox_process_group_processes", labels: [Label("group", "1")]),
                    type: .unknown),
                SeriesDescriptor(
                    key: SeriesKey(name: "stagebox_process_group_threads", labels: [Label("group", "1")]),
                    type: .unknown),
            ])
        #expect(recording.series.map(\.intervalMilliseconds) == [1000, 1000, 60_000, 60_000])
        let batch = try MetricBlock.decode(try #require(recording.parts.first)).batch
        #expect(recording.parts.count == 1 && batch.groups.map(\.series) == [[0, 1], [2, 3]])
        #expect(batch.groups[0].values[0] == 1.5 && batch.groups[0].values[1].isNaN)
    }

    @Test(
        "says which line of an export is wrong",
        arguments: [
            "{", "[]", #"{"metric":{},"timestamps":[1],"values":[]}"#,
            #"{"metric":{"__name__":"node_load1"},"timestamps":[2,1],"values":[1,2]}"#,
        ])
    func refused(line: String) {
        var writer = RecordingWriter()
        #expect(throws: RecordingWriter.Refusal.self) {
            try Array(line.utf8).withUnsafeBytes { try writer.add(line: $0) }
        }
        let seriesCount = writer.seriesCount
        #expect(seriesCount == 0)
    }

    @Test("reads back as it was written; what is torn, damaged or of another version is refused")
    func bytes() throws {
        let recording = try writer(Self.lines).recording()
        let bytes = try recording.bytes
        let again = try DetectionRecording(bytes: bytes)
        #expect(again.series == recording.series && again.parts == recording.parts)
        for size in 0..<bytes.count {
            #expect(throws: (any Error).self) { try DetectionRecording(bytes: Array(bytes.prefix(size))) }
        }
        var foreign = bytes
        foreign[4] += 1
        #expect(throws: (any Error).self) { try DetectionRecording(bytes: foreign) }
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<500 {
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            guard let read = try? DetectionRecording(bytes: damaged) else { continue }
            var replay = DetectionReplay(read)
            // Whatever it came to be, it is judged or refused.
            try? replay.run { _, _ in }
        }
    }

    @Test("a table of faults says which line is wrong, and what is told of each fault")
    func faults() throws {
        let table = try FaultTable(text: "# when\ncpu 100000 200000\n\nsilence 400000 500000\n")
        #expect(table.faults.map(\.name) == ["cpu", "silence"])
        for (text, line) in [("cpu 1", 1), ("# a\ncpu 2 1", 2), ("cpu x 1", 1), ("cpu -5 1", 1)] {
            let refusal = #expect(throws: FaultTable.Refusal.self) { try FaultTable(text: text) }
            #expect(refusal?.line == line)
        }
        func finding(_ group: String, _ milliseconds: Int64) -> Finding {
            let at = Timestamp(milliseconds: milliseconds)
            return Finding(
                id: ID128(high: 1, low: UInt64(milliseconds)), group: group, since: at, score: 0.9, peakAt: at,
                anomalousCount: 1)
        }
        let (rows, outside) = table.judge([
            finding("disk", 110_000), finding("metric", 130_000), finding("cpu", 140_000), finding("cpu", 300_000),
            finding("cpu", 410_000), finding("streams", 560_000), finding("streams", 561_000),
        ])
        #expect(rows.map(\.delayMilliseconds) == [30_000, 160_000])
        #expect(rows.map(\.findings.count) == [3, 2])
        #expect(outside.map(\.since.milliseconds) == [300_000, 561_000])
    }
}
