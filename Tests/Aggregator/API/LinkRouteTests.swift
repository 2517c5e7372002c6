import API
import Gzip
import Interchange
import Snappy
import Store
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("Federation and remote read") struct LinkRouteTests {
    /// When the server's clock stands still.
    private static let begin: Int64 = 1_767_225_600_000
    private static func at(_ offset: Int64) -> Timestamp { Timestamp(milliseconds: Self.begin + offset) }

    private static var tenant: FakeSources.Tenant {
        var tenant = FakeSources.Tenant()
        tenant.series = [
            (SeriesKey(name: "up", labels: [Label("instance", "n1")]), [Sample(timestamp: at(-1), value: 1)]),
            (
                SeriesKey(name: "level", labels: [Label("note", "a\"b\\c\nd")]),
                [Sample(timestamp: at(-20_000), value: 3), Sample(timestamp: at(-10_001), value: -.infinity)]
            ),
            (SeriesKey(name: "up", labels: [Label("instance", "n2")]), [Sample(timestamp: at(-299_999), value: 0.5)]),
            (SeriesKey(name: "up", labels: [Label("instance", "old")]), [Sample(timestamp: at(-300_000), value: 9)]),
            (
                SeriesKey(name: "up", labels: [Label("instance", "ended")]),
                [
                    Sample(timestamp: at(-9), value: 9),
                    Sample(timestamp: at(-8), value: Double(bitPattern: 0x7ff0_0000_0000_0002)),
                ]
            ),
            (SeriesKey(name: "later"), [Sample(timestamp: at(1), value: 9)]),
        ]
        return tenant
    }
    private static let all = "match[]=%7B__name__%3D~%22.%2B%22%7D"

    @Test("/federate gives the last samples with their times, each series once, those that have ended left out")
    func federation() async throws {
        try await TestServer([TestServer.acme: Self.tenant]).run { server async throws in
            let answer = try await server.ask(
                "GET", "/federate?\(Self.all)&match[]=up", as: "analyst@acme",
                headers: ["Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"])
            let begin = Self.begin
            #expect(
                answer.status == 200 && answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(
                answer.text == """
                    # TYPE level untyped
                    level{note="a\\"b\\\\c\\nd",instance=""} -Inf \(begin - 10_001)
                    # TYPE up untyped
                    up{instance="n1"} 1.0 \(begin - 1)
                    up{instance="n2"} 0.5 \(begin - 299_999)

                    """)
            let strict = try await server.ask(
                "GET", "/federate?match[]=up", as: "operator@acme",
                headers: ["Accept: application/openmetrics-text; version=1.0.0"])
            #expect(strict.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            let exposition = try OpenMetricsParser.parse(strict.body)
            #expect(exposition.samples.map(\.timestampMilliseconds) == [begin - 1, begin - 299_999])
            #expect(exposition.samples.map(\.value) == [1, 0.5])
            let other = try await server.ask("GET", "/federate?match[]=up", as: "analyst@other")
            #expect(other.status == 200 && other.text == "", "another tenant has nothing of it")
            let missing = try await server.ask("GET", "/federate", as: "analyst@acme")
            #expect(missing.status == 400 && missing.text.contains("match[]"))
            let broken = try await server.ask("GET", "/federate?match[]=up%7B", as: "analyst@acme")
            #expect(broken.status == 400 && broken.text.contains("parse error"))
            let pushing = try await server.ask("GET", "/federate?match[]=up", as: "ingest@acme")
            #expect(pushing.status == 403)
        }
    }

    @Test("long federations come in pieces, gzipped where that is wanted, and stop at the tenant's limit")
    func bounds() async throws {
        var tenant = FakeSources.Tenant()
        tenant.series = (0..<5000).map { number in
            (
                SeriesKey(name: "m\(number % 7)", labels: [Label("n", "\(number)")]),
                [Sample(timestamp: Self.at(-5), value: Double(number))]
            )
        }
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let plain = try await server.ask("GET", "/federate?\(Self.all)", as: "analyst@acme")
            #expect(plain.headers["transfer-encoding"] == "chunked" && plain.isComplete)
            let exposition = try ExpositionFormat.prometheusText.parse(plain.body)
            #expect(exposition.samples.count == 5000 && exposition.families.count == 7)
            let zipped = try await server.ask(
                "GET", "/federate?\(Self.all)", as: "analyst@acme", headers: ["Accept-Encoding: gzip"])
            #expect(zipped.headers["content-encoding"] == "gzip" && zipped.body.count < plain.body.count / 4)
            #expect(try GzipInflater.inflate(zipped.body, boundBytes: 1 << 20) == plain.body)
            server.sources.limited.withLock { $0.querySamples = 4999 }
            let limited = try await server.ask("GET", "/federate?\(Self.all)", as: "analyst@acme")
            #expect(limited.status == 422 && limited.text.contains("4999"), "\(limited.text)")
        }
    }

    private static func read(_ accepted: [RemoteReadRequest.ResponseType]) throws -> [UInt8] {
        var request = RemoteReadRequest()
        var query = RemoteReadRequest.Query()
        query.start = Self.begin - 299_999
        query.end = Self.begin
        query.matchers = [.init("__name__", .matches, "up|level")]
        request.queries = [query]
        request.accepted = accepted
        return SnappyBlock.compress(request.encoded)
    }

    /// Every series of the query, ascending by labels, markers of their end included.
    private static let expected: [(labels: [Label], offsets: [Int64], values: [Double])] = [
        ([Label("__name__", "level"), Label("note", "a\"b\\c\nd")], [-20_000, -10_001], [3, -.infinity]),
        (
            [Label("__name__", "up"), Label("instance", "ended")], [-9, -8],
            [9, Double(bitPattern: 0x7ff0_0000_0000_0002)]
        ),
        ([Label("__name__", "up"), Label("instance", "n1")], [-1], [1]),
        ([Label("__name__", "up"), Label("instance", "n2")], [-299_999], [0.5]),
    ]

    @Test("remote read answers with samples or with streamed chunks, as it is asked")
    func remoteRead() async throws {
        try await TestServer([TestServer.acme: Self.tenant]).run { server async throws in
            let answer = try await server.ask(
                "POST", "/api/v1/read", as: "analyst@acme", body: try Self.read([.samples]))
            #expect(answer.headers["content-type"] == "application/x-protobuf")
            #expect(answer.headers["content-encoding"] == "snappy")
            let series = Self.expected.map { entry in
                RemoteReadResponse.series(
                    SeriesKey(labels: entry.labels), entry.offsets.map { Self.begin + $0 }, entry.values)
            }
            #expect(
                try SnappyBlock.decompress(answer.body, boundBytes: 1 << 20)
                    == RemoteReadResponse.result(Array(series.joined())))
            let streamed = try await server.ask(
                "POST", "/api/v1/read", as: "analyst@acme", body: try Self.read([.chunks, .samples]))
            #expect(
                streamed.headers["content-type"]
                    == "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
            let frames = Self.expected.map { entry in
                RemoteReadResponse.frames(
                    SeriesKey(labels: entry.labels), entry.offsets.map { Self.begin + $0 }, entry.values, query: 0)
            }
            #expect(streamed.body == Array(frames.joined()))
            let other = try await server.ask(
                "POST", "/api/v1/read", as: "analyst@other", body: try Self.read([.chunks]))
            #expect(other.status == 200 && other.body.isEmpty)
        }
    }

    @Test("remote read refuses what is no request, and answers within the tenant's limits")
    func remoteReadRefusals() async throws {
        try await TestServer([TestServer.acme: Self.tenant]).run { server async throws in
            let path = "/api/v1/read"
            let noise = try await server.ask("POST", path, as: "analyst@acme", text: "noise")
            #expect(noise.status == 400 && noise.text.contains("snappy"), "\(noise.text)")
            let cut = try await server.ask(
                "POST", path, as: "analyst@acme", body: SnappyBlock.compress([0x0a, 9]))
            #expect(cut.status == 400, "\(cut.text)")
            var pattern = RemoteReadRequest()
            var query = RemoteReadRequest.Query()
            query.matchers = [.init("job", .matches, "(")]
            pattern.queries = [query]
            let bad = try await server.ask(
                "POST", path, as: "analyst@acme", body: SnappyBlock.compress(pattern.encoded))
            #expect(bad.status == 400 && bad.text.contains("job"), "\(bad.text)")
            server.sources.limited.withLock { $0.querySamples = 5 }
            for type in [RemoteReadRequest.ResponseType.samples, .chunks] {
                let limited = try await server.ask("POST", path, as: "analyst@acme", body: try Self.read([type]))
                #expect(limited.status == 422 && limited.text.contains("query-samples"), "\(limited.text)")
            }
        }
    }

    @Test("answers that are longer than a piece are streamed, with the bytes of one that is not")
    func streamedQueries() async throws {
        var tenant = FakeSources.Tenant()
        tenant.series = (0..<300).map { number in
            (
                SeriesKey(name: "m", labels: [Label("n", "\(number)")]),
                (0..<60).map { Sample(timestamp: Self.at($0 * 1000), value: Double(number) / 7) }
            )
        }
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let begin = Self.begin / 1000
            let target = "/api/v1/query_range?query=m&start=\(begin)&end=\(begin + 59)&step=1"
            let answer = try await server.ask("GET", target, as: "analyst@acme")
            #expect(answer.status == 200 && answer.isComplete && answer.headers["transfer-encoding"] == "chunked")
            #expect(answer.body.count > 400_000)
            #expect(answer.text.hasPrefix(#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":"#))
            #expect(answer.text.hasSuffix("]}]}}"))
            #expect(answer.text.split(separator: #""metric""#).count == 301)
            let short = try await server.ask("GET", "/api/v1/query?query=m&time=\(begin)&limit=2", as: "analyst@acme")
            #expect(short.headers["content-length"] != nil && short.text.contains("truncated"))
        }
    }
}
