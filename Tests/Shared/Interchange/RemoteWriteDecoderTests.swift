import Interchange
import Telemetry
import Testing

@Suite("remote write decoder")
struct RemoteWriteDecoderTests {
    /// Numbers series in the order in which they are asked for.
    final class Registry {
        var keys: [SeriesKey] = []
        var types: [MetricType] = []
        var capacity = 100
        func resolve(_ key: SeriesKey, _ type: MetricType) -> UInt32? {
            guard keys.count < capacity else { return nil }
            keys.append(key)
            types.append(type)
            return UInt32(keys.count - 1)
        }
    }

    static let stale: UInt64 = 0x7ff0_0000_0000_0002

    @Test("a 1.0 body of Python's protobuf")
    func one() throws {
        let registry = Registry()
        var decoder = RemoteWriteDecoder(seed: 1)
        var columns = SampleColumns()
        let body = try GoldenBodies.bytes("remote-write-1")
        let summary = try decoder.decode(body, .one, into: &columns, resolve: registry.resolve)
        #expect(summary.samples == 5 && summary.series == 5 && summary.refusedSamples == 3)
        #expect(summary.histograms == 1 && summary.exemplars == 1 && summary.unplacedSamples == 0)
        #expect(summary.problem == "label \"a\" is given twice")
        #expect(summary.metadata == [MetricFamily(name: "temp", type: .gauge, unit: "celsius", help: "Warmth.")])
        #expect(
            registry.keys == [
                SeriesKey(name: "up", labels: [Label("instance", "a:9090"), Label("job", "☃")]),
                SeriesKey(name: "temp"), SeriesKey(name: "unsorted", labels: [Label("a", "2"), Label("z", "1")]),
            ])
        #expect(columns.series == [0, 0, 1, 1, 2])
        #expect(columns.timestamps == [1_700_000_000_000, 1_700_000_015_000, -5, 0, 1_700_000_000_000])
        #expect(
            columns.values.map(\.bitPattern) == [(1.0).bitPattern, Self.stale, (-0.5).bitPattern, 0, (7.0).bitPattern])

        columns.removeAll()
        let again = try decoder.decode(body, .one, into: &columns, resolve: registry.resolve)
        #expect(again == summary && registry.keys.count == 3, "known series are not asked for again")
        decoder.forgetSeries()
        _ = try decoder.decode(body, .one, into: &columns, resolve: registry.resolve)
        #expect(registry.keys.count == 6 && columns.count == 10)
    }

    @Test("a 2.0 body of Python's protobuf")
    func two() throws {
        let registry = Registry()
        var decoder = RemoteWriteDecoder(seed: 1)
        var columns = SampleColumns()
        let body = try GoldenBodies.bytes("remote-write-2")
        for _ in 1...2 {
            columns.removeAll()
            let summary = try decoder.decode(body, .two, into: &columns, resolve: registry.resolve)
            #expect(summary.samples == 3 && summary.refusedSamples == 1 && summary.histograms == 1)
            #expect(summary.problem == "a series without __name__" && summary.exemplars == 1)
        }
        #expect(registry.keys.map { $0["path"] } == ["/a", "/b"] && registry.types == [.counter, .unknown])
        #expect(columns.series == [0, 0, 1] && columns.values[0] == 5 && columns.values[2].bitPattern == Self.stale)
        #expect(
            columns.starts == [
                .init(series: 0, milliseconds: 1_690_000_000_000), .init(series: 1, milliseconds: 1_690_000_000_001),
            ])
        decoder.forgetSeries()
        let summary = try decoder.decode(body, .two, into: &columns, resolve: registry.resolve)
        #expect(
            summary.metadata == [
                MetricFamily(name: "requests_total", type: .counter, unit: "requests", help: "Requests so far.")
            ])
    }

    @Test("a series without a place is counted, and asked for again")
    func unplaced() throws {
        let registry = Registry()
        registry.capacity = 1
        var decoder = RemoteWriteDecoder(seed: 1)
        var columns = SampleColumns()
        let body = try GoldenBodies.bytes("remote-write-1")
        let summary = try decoder.decode(body, .one, into: &columns, resolve: registry.resolve)
        #expect(summary.samples == 2 && summary.unplacedSamples == 3 && columns.count == 2)
        registry.capacity = 10
        let next = try decoder.decode(body, .one, into: &columns, resolve: registry.resolve)
        #expect(next.samples == 5 && next.unplacedSamples == 0 && columns.series == [0, 0, 0, 0, 1, 1, 2])
    }

    @Test("more series than are remembered, and more samples than allowed")
    func bounds() throws {
        let registry = Registry()
        var decoder = RemoteWriteDecoder(seriesMax: 2, seed: 1)
        var columns = SampleColumns()
        let body = try GoldenBodies.bytes("remote-write-1")
        for _ in 1...3 {
            #expect(try decoder.decode(body, .one, into: &columns, resolve: registry.resolve).samples == 5)
        }
        var narrow = RemoteWriteDecoder(samplesMax: 3, seed: 1)
        let before = columns.series
        #expect(throws: InterchangeError.self) {
            try narrow.decode(body, .one, into: &columns, resolve: registry.resolve)
        }
        #expect(columns.series == before && columns.count == before.count, "a refused body leaves the columns alone")
    }

    @Test("labels scattered among samples are one label set")
    func scattered() throws {
        let label1: [UInt8] = [0x0a, 13, 0x0a, 8] + Array("__name__".utf8) + [0x12, 1] + Array("m".utf8)
        let label2: [UInt8] = [0x0a, 6, 0x0a, 1] + Array("a".utf8) + [0x12, 1] + Array("b".utf8)
        let sample: [UInt8] = [0x12, 2, 0x10, 5]
        func body(_ series: [UInt8]) -> [UInt8] { [0x0a, UInt8(series.count)] + series }
        let registry = Registry()
        var decoder = RemoteWriteDecoder(seed: 1)
        var columns = SampleColumns()
        for order in [label1 + label2 + sample, label1 + sample + label2, sample + label1 + label2] {
            _ = try decoder.decode(body(order), .one, into: &columns, resolve: registry.resolve)
        }
        #expect(registry.keys == [SeriesKey(name: "m", labels: [Label("a", "b")])])
        #expect(columns.series == [0, 0, 0] && columns.timestamps == [5, 5, 5])
    }

    @Test("every truncation and changed byte gives a result or an error, columns stay equally long")
    func total() throws {
        for (name, version) in [("remote-write-1", RemoteWriteVersion.one), ("remote-write-2", .two)] {
            let body = try GoldenBodies.bytes(name)
            let registry = Registry()
            registry.capacity = 1_000_000
            var decoder = RemoteWriteDecoder(seed: 1)
            var columns = SampleColumns()
            for index in body.indices {
                _ = try? decoder.decode(Array(body.prefix(index)), version, into: &columns, resolve: registry.resolve)
                for value in [0, 1, 7, 0x0a, 0x12, 0x7f, 0x80, 0xff] as [UInt8] {
                    var changed = body
                    changed[index] = value
                    _ = try? decoder.decode(changed, version, into: &columns, resolve: registry.resolve)
                    #expect(columns.series.count == columns.values.count)
                    #expect(columns.timestamps.count == columns.values.count)
                    columns.removeAll()
                }
            }
        }
    }

    @Test("content types choose the version")
    func versions() {
        let table: [(String?, RemoteWriteVersion?)] = [
            (nil, .one), ("application/x-protobuf", .one), (RemoteWriteVersion.one.contentType, .one),
            ("Application/X-Protobuf; proto=io.prometheus.write.v2.Request", .two),
            ("application/x-protobuf;proto=other", nil), ("text/plain", nil),
        ]
        for (header, version) in table { #expect(RemoteWriteVersion(contentType: header) == version) }
    }
}
