import HTTPTypes
import Interchange
import Logging
import NIOCore
import PlainHTTP
import RuntimeSupport
import Telemetry

/// Remote write: decoded on the push pool, and answered straight into the socket by whoever makes the samples durable, so
/// that no thread waits meanwhile. What differs in anything takes the usual way.
struct DirectPushes: Sendable {
    /// Of the requests below.
    static let prefix: StaticString = "POST /api/v1/write"

    private let receiver: PushReceiver
    private let pool: BlockingPool
    private let admission: DirectAdmission
    private let metrics: OwnMetrics
    private let time: any TimeSource
    private let logger: Logger

    init(
        _ dependencies: APIDependencies, _ receiver: PushReceiver, metrics: OwnMetrics, time: any TimeSource,
        logger: Logger
    ) {
        self.receiver = receiver
        pool = dependencies.pushPool
        admission = DirectAdmission(dependencies)
        self.metrics = metrics
        self.time = time
        self.logger = logger
    }

    func route(_ request: PlainRequest) -> DirectWork? {
        guard request.isPost, request.path == "/api/v1/write", request.query == nil,
            (1...SamplePush.bodyBytesMax).contains(request.bodyBytes),
            request.contentEncoding?.lowercased() ?? "snappy" == "snappy",
            let version = RemoteWriteVersion(contentType: request.contentType), let token = admission.token(request)
        else { return nil }
        let now = time.now
        let isKnown = admission.isAdmitted(token, .push, now: now)
        // Whoever may not push is told so before the body comes.
        guard isKnown != false else { return nil }
        var work = DirectWork(begin: { body, done in begin(body, version, token, request, done) })
        if isKnown == nil { work.admit = { done in admission.lookUp(token, .push, now: now, done) } }
        return work
    }

    private func begin(
        _ body: ByteBuffer, _ version: RemoteWriteVersion, _ token: String, _ request: PlainRequest,
        _ done: @escaping @Sendable (DirectAnswer) -> Void
    ) -> DirectTask? {
        let isAccepted = admission.tenant(token, .push, now: time.now) { tenant in
            do { try start(body, version, try tenant.get(), request, done) } catch {
                done(.to(error, request, logger))
            }
        }
        guard isAccepted else { return nil }
        metrics.add("stagebox_http_requests_total")
        // What was sent is stored, whether the sender waits for the answer or not.
        return DirectTask {}
    }

    private func start(
        _ body: ByteBuffer, _ version: RemoteWriteVersion, _ tenant: TenantID, _ request: PlainRequest,
        _ done: @escaping @Sendable (DirectAnswer) -> Void
    ) throws {
        let (receiver, logger) = (receiver, logger)
        let isAccepted = pool.start(for: tenant) {
            body.withUnsafeReadableBytes { bytes in
                receiver.store(snappy: bytes, version, tenant) { result in
                    switch result {
                    case .success(let outcome): done(Self.answer(outcome, version))
                    case .failure(let error): done(.to(error, request, logger))
                    }
                }
            }
        }
        guard isAccepted else { throw Problem.busy }
    }

    private static func answer(_ outcome: PushOutcome, _ version: RemoteWriteVersion) -> DirectAnswer {
        var answer =
            outcome.isComplete
            ? DirectAnswer(status: .noContent, type: nil, body: []) : .to(Problem(.invalidRequest, outcome.text))
        answer.headers = outcome.written(version)
        return answer
    }
}
