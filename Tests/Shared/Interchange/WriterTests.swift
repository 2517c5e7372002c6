import Interchange
import Telemetry
import Testing

@Suite("writers")
struct WriterTests {
    @Test("what is written is read back, in both text formats", arguments: ExpositionFormat.allCases)
    func text(format: ExpositionFormat) throws {
        var writer = ExpositionWriter(format)
        let families = [
            MetricFamily(name: "x_seconds", type: .counter, unit: "seconds", help: "A \"b\"\n\\c"),
            MetricFamily(name: "free", type: .gauge),
        ]
        let counter = SeriesKey(name: "x_seconds_total", labels: [Label("a", "\"\n\\☃"), Label("b", "")])
        writer.family(families[0])
        writer.sample(
            counter, 1e-7, timestampMilliseconds: -1_005,
            exemplar: Exemplar(labels: [Label("t", "1")], value: 2, timestampMilliseconds: 1))
        writer.family(families[1])
        writer.sample(SeriesKey(name: "free"), .infinity)
        let exposition = try format.parse(writer.finish())
        #expect(exposition.samples.map(\.key) == [counter, SeriesKey(name: "free")])
        #expect(exposition.samples.map(\.value) == [1e-7, .infinity])
        #expect(exposition.samples.map(\.timestampMilliseconds) == [-1_005, nil])
        #expect(exposition.families.first?.help == families[0].help && exposition.families.count == 2)
        guard format == .openMetrics else { return }
        #expect(exposition.families == families)
        #expect(exposition.samples[0].exemplar?.timestampMilliseconds == 1)
    }

    @Test("names that the formats cannot have are changed")
    func names() throws {
        var writer = ExpositionWriter(.openMetrics)
        writer.sample(SeriesKey(name: "1a.b", labels: [Label("c:d", "e")]), .nan)
        #expect(String(decoding: writer.finish(), as: UTF8.self) == "_1a_b{c_d=\"e\"} NaN\n# EOF\n")
    }

    @Test("remote write bodies are read back", arguments: RemoteWriteVersion.allCases)
    func remoteWrite(version: RemoteWriteVersion) throws {
        var encoder = RemoteWriteEncoder(version)
        let keys = [
            SeriesKey(name: "up", labels: [Label("job", "☃")]), SeriesKey(name: "up", labels: [Label("job", "b")]),
        ]
        encoder.add(keys[0], type: .gauge, timestamps: [-1, 5], values: [0.5, .infinity])
        encoder.add(keys[1], timestamps: [7], values: [-0.0])
        encoder.add(MetricFamily(name: "up", type: .gauge, unit: "u", help: "h"))
        #expect(encoder.sampleCount == 3 && encoder.bytesCount == encoder.finish().count)
        var decoder = RemoteWriteDecoder(seed: 3)
        var columns = SampleColumns()
        var seen: [SeriesKey] = []
        let summary = try decoder.decode(encoder.finish(), version, into: &columns) { key, _ in
            seen.append(key)
            return UInt32(seen.count)
        }
        #expect(seen == keys && summary.samples == 3 && summary.problem == nil)
        #expect(columns.series == [1, 1, 2] && columns.timestamps == [-1, 5, 7])
        #expect(columns.values.map(\.bitPattern) == [(0.5).bitPattern, Double.infinity.bitPattern, (-0.0).bitPattern])
        #expect(summary.metadata.first?.type == .gauge && summary.metadata.count == 1)
    }
}
