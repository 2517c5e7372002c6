import Access
import HTTPTypes
import Hummingbird
import Interchange
import Snappy
import Store
import Telemetry

/// Samples from programs that are no agents: Prometheus remote write, expositions, Influx line protocol.
func pushRoutes(_ receiver: PushReceiver) -> [Route] {
    [
        Route(.post, "/api/v1/write", .push, "Prometheus remote write 1.0 and 2.0") { request in
            try await receiver.remoteWrite(request)
        },
        Route(.post, "/api/v1/import/prometheus", .push, "an exposition, OpenMetrics or Prometheus text") { request in
            try await receiver.exposition(request)
        },
        Route(.post, "/api/v1/otlp/v1/metrics", .push, "OTLP metrics, protobuf or JSON") { request in
            try await receiver.otlp(request)
        },
        Route(.post, "/write", .push, "Influx line protocol, as InfluxDB 1 takes it; precision") { request in
            try await receiver.influx(request)
        },
        Route(.post, "/api/v2/write", .push, "Influx line protocol, as InfluxDB 2 takes it; precision") { request in
            try await receiver.influx(request)
        },
    ]
}

extension Route.Audience {
    static let push = Self.roles([.admin, .ingest])
}

struct PushReceiver: Sendable {
    private let sources: any TenantSources
    private let access: AccessStore
    private let pool: BlockingPool
    private let decoders = WriteDecoders()

    init(_ dependencies: APIDependencies) {
        sources = dependencies.sources
        access = dependencies.access
        pool = dependencies.pushPool
    }

    func remoteWrite(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        guard let version = RemoteWriteVersion(contentType: request.request.headers[.contentType]) else {
            throw Problem(
                .unsupportedMedia,
                "send application/x-protobuf with proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request"
            )
        }
        // Senders of remote write compress with snappy, always; gzip and plain bodies are taken from others.
        let encoding = request.request.headers[.contentEncoding]?.lowercased() ?? "snappy"
        let isSnappy = encoding == "snappy"
        let body =
            isSnappy
            ? try await request.encodedBody(upTo: SamplePush.bodyBytesMax)
            : try await request.body(upTo: SamplePush.inflatedBytesMax)
        let outcome = try await run(tenant) { [decoders] push in
            let samples = try decoders.use(tenant, push.sink.series) { lent in
                if isSnappy { try body.withUnsafeBytes { try Self.inflate($0, into: &lent.inflated) } }
                return try push.samples(isSnappy ? lent.inflated : body, version, &lent.decoder)
            }
            return try push.store(samples)
        }
        var response = answer(outcome)
        for header in outcome.written(version) {
            if let field = HTTPField.Name(header.name) { response.headers[field] = header.value }
        }
        return response
    }

    /// Stores remote write as its senders compress it, for which the caller does not wait: on a thread of the push pool.
    /// - Parameter done: called once, on any thread: when the samples are durable, or with what is to be answered.
    func store(
        snappy body: UnsafeRawBufferPointer, _ version: RemoteWriteVersion, _ tenant: TenantID,
        _ done: @escaping @Sendable (Result<PushOutcome, any Error>) -> Void
    ) {
        do {
            let push = SamplePush(sink: try sources.sink(of: tenant))
            try push.sink.checkRate()
            let samples = try decoders.use(tenant, push.sink.series) { lent in
                try Self.inflate(body, into: &lent.inflated)
                return try push.samples(lent.inflated, version, &lent.decoder)
            }
            push.store(samples) { result in done(result.mapError(Self.reported)) }
        } catch {
            done(.failure(Self.reported(error)))
        }
    }

    private static func inflate(_ body: UnsafeRawBufferPointer, into output: inout [UInt8]) throws {
        do { try SnappyBlock.decompress(body, boundBytes: SamplePush.inflatedBytesMax, into: &output) } catch {
            guard case .tooLarge = error else { throw Problem(.invalidRequest, error.description) }
            throw Problem(.payloadTooLarge, "the body inflates to more than \(SamplePush.inflatedBytesMax) bytes")
        }
    }

    func exposition(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        var type = request.request.headers[.contentType]
        // What curl --data-binary says when nobody tells it better.
        if type?.hasPrefix("application/x-www-form-urlencoded") == true { type = nil }
        guard let format = ExpositionFormat(contentType: type) else {
            throw Problem(.unsupportedMedia, "send text/plain or application/openmetrics-text; version=1.0.0")
        }
        let body = try await inflatedBody(request)
        let now = request.now
        return answer(
            try await run(tenant) { push in
                try push.exposition(try format.parse(body, limits: SamplePush.expositionLimits), now: now)
            })
    }

    func otlp(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        guard let encoding = OTLPEncoding(contentType: request.request.headers[.contentType]) else {
            throw Problem(.unsupportedMedia, "send application/x-protobuf or application/json")
        }
        let body = try await inflatedBody(request)
        let now = request.now
        let sources = sources
        let answer = try await reportingErrors {
            try await pool.run(for: tenant) {
                var batch = try OTLPDecoder.decode(body, encoding)
                let push = SamplePush(sink: try sources.sink(of: tenant))
                try push.sink.checkRate()
                let outcome = try push.exposition(batch.exposition, now: now)
                if !outcome.isComplete {
                    batch.rejectedPointCount += outcome.refused + outcome.unplaced + outcome.outOfBounds
                    batch.problem = batch.problem ?? outcome.text
                }
                return batch.response(encoding)
            }
        }
        return Response(
            status: .ok,
            headers: [.contentType: encoding.contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer)))
    }

    func influx(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        let text = request.query["precision"]
        guard let precision = InfluxPrecision(parameter: text) else {
            throw Problem(.invalidRequest, "precision: one of ns, us, ms, s, not \"\((text ?? "").prefix(16))\"")
        }
        let body = try await inflatedBody(request)
        let now = request.now
        return answer(
            try await run(tenant) { push in
                let options = InfluxLineParser.Options(precision: precision)
                return try push.influx(InfluxLineParser.parse(body, options: options), now: now)
            })
    }

    private func inflatedBody(_ request: APIRequest) async throws -> [UInt8] {
        try await request.body(upTo: SamplePush.bodyBytesMax)
    }

    private func run(
        _ tenant: TenantID, _ body: @escaping @Sendable (SamplePush) throws -> PushOutcome
    ) async throws -> PushOutcome {
        let sources = sources
        return try await reportingErrors {
            try await pool.run(for: tenant) {
                let push = SamplePush(sink: try sources.sink(of: tenant))
                // Before anything is decoded or numbered: what is refused leaves nothing behind.
                try push.sink.checkRate()
                return try body(push)
            }
        }
    }

    private func reportingErrors<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw Self.reported(error) }
    }

    private static func reported(_ error: any Error) -> any Error {
        switch error {
        case let error as InterchangeError: Problem(.invalidRequest, error.description)
        case PushError.rate(let perSecond, let seconds):
            Problem(
                .tooManyRequests,
                "this tenant may send \(perSecond) samples per second; send these again later, or have "
                    + "samples-per-second in limits.conf raised", retryAfterSeconds: seconds)
        case is PushError:
            Problem(.busy, "too many samples wait for this tenant's store; send them again", retryAfterSeconds: 1)
        default: error
        }
    }

    /// 204, or 400 with what was not stored: what was good is stored all the same, and nothing is to be sent again.
    private func answer(_ outcome: PushOutcome) -> Response {
        guard !outcome.isComplete else { return Response(status: .noContent) }
        return Problem(.invalidRequest, outcome.text).response
    }
}
