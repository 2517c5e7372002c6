import Interchange
import Telemetry
import Testing

/// Against what a real Prometheus answered; see `Golden/make-remote-read.py`.
@Suite("remote read")
struct RemoteReadTests {
    private struct Stored {
        var key: SeriesKey
        var timestamps: [Int64] = []
        var values: [Double] = []
    }

    /// What Prometheus was given, of the metric that it was asked for.
    private static func stored() throws -> [Stored] {
        var decoder = RemoteWriteDecoder(seed: 1)
        var columns = SampleColumns()
        var series: [Stored] = []
        _ = try decoder.decode(GoldenBodies.bytes("remote-read-stored"), .one, into: &columns) { key, _ in
            series.append(Stored(key: key))
            return UInt32(series.count - 1)
        }
        for index in columns.values.indices {
            series[Int(columns.series[index])].timestamps.append(columns.timestamps[index])
            series[Int(columns.series[index])].values.append(columns.values[index])
        }
        return series.filter { $0.key.name == "level" }
    }

    @Test("a request is read as it was meant, and written again")
    func request() throws {
        let request = try RemoteReadRequest(decoding: GoldenBodies.bytes("remote-read-request"))
        #expect(request.accepted == [.chunks, .samples] && request.responseType == .chunks)
        #expect(request.queries.count == 2)
        #expect(request.queries[0].matchers == [.init("__name__", .equal, "absent")])
        let query = request.queries[1]
        #expect(query.start == 1_700_000_000_000 && query.end == query.start + 7_000_000)
        #expect(query.matchers == [.init("__name__", .equal, "level"), .init("job", .matches, "a|b")])
        #expect(try RemoteReadRequest(decoding: request.encoded) == request)
    }

    @Test("samples are answered byte for byte as Prometheus does")
    func samples() throws {
        var result: [UInt8] = []
        for series in try Self.stored() {
            result += RemoteReadResponse.series(series.key, series.timestamps, series.values)
        }
        let answer = RemoteReadResponse.result([]) + RemoteReadResponse.result(result)
        #expect(answer == (try GoldenBodies.bytes("remote-read-samples")))
    }

    @Test("streamed chunks are answered byte for byte as Prometheus does")
    func chunks() throws {
        var answer: [UInt8] = []
        for series in try Self.stored() {
            answer += RemoteReadResponse.frames(series.key, series.timestamps, series.values, query: 1)
        }
        #expect(answer == (try GoldenBodies.bytes("remote-read-chunks")))
    }

    @Test("a series of many chunks is cut into frames, none much longer than the bound")
    func frames() {
        let times = (0..<600_000).map { Int64($0) * 15_000 }
        let values = times.map { Double(($0 / 15_000) &* 2_654_435_761 % 1_000_003) / 7 }
        let frames = RemoteReadResponse.frames(SeriesKey(name: "x"), times, values, query: 0)
        var place = 0
        var count = 0
        while place < frames.count {
            var length = 0
            var shift = 0
            repeat {
                length |= Int(frames[place] & 0x7f) << shift
                shift += 7
                place += 1
            } while frames[place - 1] >= 0x80
            #expect(length < RemoteReadResponse.frameBytesMax + 4096)
            place += 4 + length
            count += 1
        }
        #expect(place == frames.count && count > 3)
    }

    @Test("bytes that are no request, and requests beyond the bounds, are refused")
    func refusals() throws {
        let golden = try GoldenBodies.bytes("remote-read-request")
        for count in golden.indices.dropFirst() {
            // Cut between two fields it may be a request, elsewhere it must be refused; never does it trap.
            _ = try? RemoteReadRequest(decoding: Array(golden.prefix(count)))
        }
        for index in golden.indices {
            var bytes = golden
            bytes[index] ^= 0xff
            _ = try? RemoteReadRequest(decoding: bytes)
        }
        // 0x12 0x01 0x07: one accepted type, 7.
        #expect(throws: InterchangeError.self) { try RemoteReadRequest(decoding: [0x12, 1, 7]) }
        #expect(try RemoteReadRequest(decoding: [0x12, 2, 7, 1]).responseType == .chunks)
        // 0x0a 0x00: an empty query.
        let many = Array(repeatElement([UInt8(0x0a), 0], count: RemoteReadRequest.queriesMax + 1).joined())
        #expect(throws: InterchangeError.self) { try RemoteReadRequest(decoding: many) }
        #expect(throws: InterchangeError.self) {
            try RemoteReadRequest(decoding: [UInt8](repeating: 0, count: RemoteReadRequest.bytesMax + 1))
        }
    }
}
