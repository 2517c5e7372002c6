import Collectors
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

/// What an hour of a node costs on the way up: the engine as it runs, over the recording of a kernel in a loop.
@Suite("wire budget", .enabled(if: DataDirectories.data != nil, "STAGEBOX_DATA_DIR is unset"), .ownThread)
struct WireBudgetTests {
    @Test("an hour at one second and a flush in ten costs at most 0.8 bytes a sample, all PUBLISH packets counted")
    func hour() throws {
        let recording = try ProcRecording(dataDirectory: #require(DataDirectories.data))
        let bench = try ControlBench()
        let started = bench.time.now.milliseconds
        let descriptors = zip(recording.names, recording.isCounter).map { Self.descriptor($0, $1) }
        let handles = descriptors.indices.map { UInt32($0) }
        let starts = recording.isCounter.map { $0 ? started : 0 }
        for second in 0..<Self.seconds {
            let tick = second % recording.timestamps.count
            bench.second {
                Scrape(
                    timestamp: $0, intervalMilliseconds: 1000, layout: 1,
                    newDescriptors: second == 0 ? descriptors : [], handles: handles,
                    values: recording.values.map { $0[tick] }, startTimestamps: starts)
            }
        }
        let samples = Self.seconds * descriptors.count
        let cost = Double(bench.publishedBytes) / Double(samples)
        print("an hour of \(descriptors.count) series: \(bench.publishedBytes) bytes up, \(cost) a sample")
        #expect(cost <= 0.8)
        #expect(bench.publishedBytes > samples / 100, "nothing was sent")
    }

    private static let seconds = 3600

    /// "irq_count{irq=26;cpu=0}" as a node's agent would name it.
    private static func descriptor(_ name: String, _ isCounter: Bool) -> SeriesDescriptor {
        let parts = name.split { "{}".contains($0) }
        let allowed = parts[0].map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        let pairs = (parts.count > 1 ? parts[1] : "").split(separator: ";").map { $0.split(separator: "=") }
        let labels = pairs.filter { $0.count == 2 }.map { Label(String($0[0]), String($0[1])) }
        return SeriesDescriptor(
            key: SeriesKey(name: "node_\(String(allowed))", labels: labels), type: isCounter ? .counter : .gauge)
    }
}
