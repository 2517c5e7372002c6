import Access
import HTTPTypes
import Hummingbird
import Interchange
import NIOCore
import PromQL
import Snappy
import Store
import Telemetry

/// Prometheus remote read: stored samples as they are, for a Prometheus or others that evaluate queries themselves.
func remoteReadRoutes(_ dependencies: APIDependencies, _ bounds: QueryBounds) -> [Route] {
    let reader = RemoteReader(bounds: bounds, access: dependencies.access, pool: dependencies.pool)
    return [
        Route(
            .post, "/api/v1/read", .metrics,
            "Prometheus remote read: samples, or streamed chunks where they are asked for"
        ) { request in
            try await PrometheusError.answering { try await reader.answer(request) }
        }
    ]
}

private struct RemoteReader: Sendable {
    /// Of an answer in one block, before compression; a streamed one has no such bound.
    static let blockBytesMax = 64 << 20

    let bounds: QueryBounds
    let access: AccessStore
    let pool: BlockingPool

    func answer(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        let asked = try Self.request(try await request.encodedBody(upTo: RemoteReadRequest.bytesMax))
        let selectors = try asked.queries.map { try $0.matchers.map { try $0.labelMatcher() } }
        let sources = bounds.sources
        switch asked.responseType {
        case .samples:
            let body = try await bounds.run(tenant) { limits, interruption in
                var body: [UInt8] = []
                var samples = limits.querySamples
                for (query, matchers) in zip(asked.queries, selectors) {
                    var read = try SeriesRead(sources.queries(of: tenant), query, matchers)
                    var result: [UInt8] = []
                    while let batch = try read.next(&samples, interruption) {
                        for entry in batch { result += RemoteReadResponse.series(entry.key, entry.times, entry.values) }
                        guard body.count + result.count <= Self.blockBytesMax else {
                            throw QueryError(
                                .limit,
                                "the answer exceeds \(Self.blockBytesMax) bytes: ask for less, or accept "
                                    + "STREAMED_XOR_CHUNKS")
                        }
                    }
                    body += RemoteReadResponse.result(result)
                }
                return SnappyBlock.compress(body)
            }
            return Response(
                status: .ok,
                headers: [
                    .contentType: RemoteReadRequest.ResponseType.samples.contentType, .contentEncoding: "snappy",
                ],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
        case .chunks:
            let stream = try await bounds.run(tenant) { limits, interruption in
                let reads = try zip(asked.queries, selectors).map { query, matchers in
                    try SeriesRead(sources.queries(of: tenant), query, matchers)
                }
                return Passenger(try ChunkStream(reads, samplesMax: limits.querySamples, interruption))
            }
            return .streamed(RemoteReadRequest.ResponseType.chunks.contentType) {
                try await bounds.piece(tenant) { try stream.value.next() }
            }
        }
    }

    private static func request(_ body: [UInt8]) throws -> RemoteReadRequest {
        do {
            return try RemoteReadRequest(
                decoding: try SnappyBlock.decompress(body, boundBytes: RemoteReadRequest.bytesMax))
        } catch let error as SnappyError {
            throw PrometheusError(.badData, error.description)
        } catch let error as InterchangeError {
            throw PrometheusError(.badData, error.description)
        }
    }
}

extension RemoteReadRequest.Matcher {
    fileprivate func labelMatcher() throws -> LabelMatcher {
        let operation: LabelMatcher.Operation =
            switch operation {
            case .equal: .equal
            case .notEqual: .notEqual
            case .matches: .matches
            case .notMatches: .notMatches
            }
        do { return try LabelMatcher(name, operation, value) } catch {
            throw PrometheusError(.badData, "the matcher of \"\(name.prefix(64))\": \(error)")
        }
    }
}

/// The series of one query of remote read, ascending by labels, some at a time.
private struct SeriesRead {
    typealias Entry = (key: SeriesKey, times: [Int64], values: [Double])
    /// Series of a batch, which are read as they are stored, whatever their order by labels.
    static let batchSeriesMax = 512
    /// Batches shrink when their samples exceed this, so that a few of them are what one takes in memory.
    static let batchSamples = 262_144

    private let selection: any SeriesSelection
    private var reader: any SampleReader
    /// Positions in the selection.
    private var order: ArraySlice<Int>
    private var batchSeries = 8

    init(
        _ source: any SeriesSource, _ query: RemoteReadRequest.Query, _ matchers: [LabelMatcher]
    ) throws {
        let range = query.start...max(query.start, query.end)
        selection = try source.select(SeriesRequest(matchers: matchers, range: range))
        guard selection.count <= QueryLimits().seriesMax else {
            throw QueryError(.limit, "more than \(QueryLimits().seriesMax) series match: ask for less")
        }
        reader = try selection.makeReader()
        let keys = selection.labels(at: Array(0..<selection.count), keeping: nil)
        order = (query.start > query.end ? [] : Array(keys.indices)).sorted { keys[$0].precedes(keys[$1]) }[...]
    }

    /// - Parameter samples: how many may be read yet.
    /// - Returns: nil at the end.
    mutating func next(_ samples: inout Int, _ interruption: QueryInterruption) throws -> [Entry]? {
        guard !order.isEmpty else { return nil }
        let batch = order.prefix(batchSeries)
        let before = samples
        var read: [Int: Entry] = [:]
        var buffer = SampleBuffer()
        for position in batch.sorted() {
            if let error = interruption.error { throw error }
            buffer.removeAll()
            try reader.read(position, into: &buffer)
            guard !buffer.values.isEmpty else { continue }
            samples -= buffer.values.count
            guard samples >= 0 else {
                throw QueryError(
                    .limit, "more samples than one query may read, query-samples in limits.conf: ask for less")
            }
            read[position] = (selection.labels(at: position), buffer.timestamps, buffer.values)
        }
        order = order.dropFirst(batch.count)
        let isLarge = before - samples > Self.batchSamples
        batchSeries = isLarge ? max(1, batchSeries / 4) : min(Self.batchSeriesMax, batchSeries * 2)
        return batch.compactMap { read[$0] }
    }
}

/// The streamed answer to all queries of a request.
private struct ChunkStream {
    private var reads: [SeriesRead]
    private let interruption: QueryInterruption
    private var query = 0
    private var samplesLeft: Int
    private var ready: [UInt8]?

    /// Reads the first batch, so that what fails at once gets a proper error. The tenant's time limit is for the
    /// whole stream.
    init(_ reads: [SeriesRead], samplesMax: Int, _ interruption: QueryInterruption) throws {
        self.reads = reads
        self.interruption = interruption
        samplesLeft = samplesMax
        ready = try make()
    }

    /// - Returns: nil at the end.
    mutating func next() throws -> [UInt8]? {
        guard let ready else { return nil }
        self.ready = try make()
        return ready
    }

    private mutating func make() throws -> [UInt8]? {
        while query < reads.count {
            if let batch = try reads[query].next(&samplesLeft, interruption) {
                return batch.reduce(into: []) { frames, entry in
                    frames += RemoteReadResponse.frames(entry.key, entry.times, entry.values, query: query)
                }
            }
            query += 1
        }
        return nil
    }
}

extension SeriesKey {
    /// As Prometheus compares label sets: name by name and value by value, bytes.
    fileprivate func precedes(_ other: SeriesKey) -> Bool {
        for (own, its) in zip(labels, other.labels) where own != its {
            return own.name == its.name
                ? own.value.utf8.lexicographicallyPrecedes(its.value.utf8)
                : own.name.utf8.lexicographicallyPrecedes(its.name.utf8)
        }
        return labels.count < other.labels.count
    }
}
