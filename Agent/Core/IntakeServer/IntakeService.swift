import Intake
import NIOCore
import NIOHTTP1
import Telemetry

/// Answers complete requests: parses, hands over, waits for the engine's word.
///
/// `@unchecked Sendable`: all state is touched on `loop` only, which is asserted. What the engine's thread calls is
/// the reply closure, and that only hops onto `loop`.
final class IntakeService: @unchecked Sendable {
    typealias Respond = (IntakeResponse) -> Void

    private struct Pending {
        var records: Int
        /// nil once the client was told that it takes too long.
        var respond: ((IntakeOutcome) -> Void)?
        var timeout: Scheduled<Void>
    }

    let configuration: IntakeServerConfiguration
    let loop: any EventLoop
    let hooks: IntakeServerHooks
    private let metricParser = MetricParser()
    private var pending: [UInt64: Pending] = [:]
    private var nextToken: UInt64 = 0
    private var outstandingRecords = 0
    private var connections: [ObjectIdentifier: IntakeConnection] = [:]
    private(set) var isStopping = false

    init(configuration: IntakeServerConfiguration, hooks: IntakeServerHooks, loop: any EventLoop) {
        self.configuration = configuration
        self.hooks = hooks
        self.loop = loop
    }

    // MARK: connections

    /// - Returns: false when there are too many already.
    func register(_ connection: IntakeConnection) -> Bool {
        loop.assertInEventLoop()
        guard connections.count < configuration.connectionsMax, !isStopping else { return false }
        connections[ObjectIdentifier(connection)] = connection
        return true
    }

    func unregister(_ connection: IntakeConnection) { connections[ObjectIdentifier(connection)] = nil }

    /// No further request is taken; `done` is called when every one taken is answered, at the latest at `deadline`.
    func drain(deadline: NIODeadline, _ done: @escaping @Sendable () -> Void) {
        loop.assertInEventLoop()
        isStopping = true
        for connection in connections.values { connection.closeIfIdle() }
        guard !(pending.isEmpty && connections.isEmpty), NIODeadline.now() < deadline else {
            for connection in connections.values { connection.close() }
            return done()
        }
        loop.scheduleTask(in: .milliseconds(5)) { self.drain(deadline: deadline, done) }
    }

    // MARK: routes

    func handle(_ request: IntakeRequest, _ respond: @escaping Respond) {
        loop.assertInEventLoop()
        guard !isStopping else {
            return respond(
                .problem(503, "Stopping", "the agent is stopping; send the same again").retryAfter(seconds: 2))
        }
        // What is handed on has codings of its own.
        guard request.method == .POST, !request.path.hasPrefix("/api/v1/") else { return route(request, respond) }
        do throws(CodingRefusal) { route(try request.inflated(), respond) } catch { respond(error.response) }
    }

    private func route(_ request: IntakeRequest, _ respond: @escaping Respond) {
        switch (request.method, request.path) {
        case (.POST, "/v1/events"): postEvents(request, respond)
        case (.POST, "/otlp/v1/metrics"): postOTLP(request, respond)
        case (.POST, "/v1/metrics") where request.isOTLP: postOTLP(request, respond)
        case (.POST, "/v1/metrics"): postMetrics(request, respond)
        case (.POST, "/api/v1/write"): postRemoteWrite(request, respond)
        case (.POST, "/api/v1/relay/events"): postRelayedEvents(request, respond)
        case (.POST, "/api/v1/relay/findings"): postRelayedFindings(request, respond)
        case (.POST, "/1/submit-listens"): postListens(request, respond)
        case (.GET, "/1/validate-token"): respond(validateToken(request))
        case (.GET, "/healthz"), (.HEAD, "/healthz"): respond(.text("ok\n"))
        case (.GET, "/metrics"):
            respond(.text(hooks.metricsText(), contentType: "text/plain; version=0.0.4; charset=utf-8"))
        case (_, "/v1/events"), (_, "/v1/metrics"), (_, "/1/submit-listens"), (_, "/otlp/v1/metrics"),
            (_, "/api/v1/write"), (_, "/api/v1/relay/events"), (_, "/api/v1/relay/findings"):
            respond(notAllowed("POST"))
        case (_, "/1/validate-token"), (_, "/healthz"), (_, "/metrics"): respond(notAllowed("GET"))
        default:
            respond(.problem(404, "Not Found", "see POST /v1/events, /v1/metrics, /1/submit-listens; GET /metrics"))
        }
    }

    private func notAllowed(_ method: String) -> IntakeResponse {
        var response = IntakeResponse.problem(405, "Method Not Allowed", "use \(method)")
        response.headers.append(("Allow", method))
        return response
    }

    private func postEvents(_ request: IntakeRequest, _ respond: @escaping Respond) {
        let parser = hooks.eventParser()
        let result = request.body.withUnsafeReadableBytes {
            parser.parse($0, now: hooks.now(), isStrict: request.isStrict)
        }
        let counts =
            #""unknown_fields":\#(result.unknownFieldCount),"unknown_values":\#(result.unknownValueCount)"#
        take(
            "/v1/events", IntakeSubmission(events: result.events) { _ in }, result.rejections, counts: counts, respond)
    }

    private func postMetrics(_ request: IntakeRequest, _ respond: @escaping Respond) {
        let result = request.body.withUnsafeReadableBytes {
            metricParser.parse($0, now: hooks.now(), isStrict: request.isStrict)
        }
        take(
            "/v1/metrics", IntakeSubmission(metrics: result.metrics) { _ in }, result.rejections,
            counts: #""unknown_fields":\#(result.unknownFieldCount)"#, respond)
    }

    private func take(
        _ route: StaticString, _ submission: IntakeSubmission, _ rejections: IntakeRejections, counts: String,
        _ respond: @escaping Respond
    ) {
        let records = submission.recordCount
        let rejected = JSONText.members(rejections)
        let observe = hooks.observe
        let finish = { (response: IntakeResponse, accepted: Int) in
            observe(route, response.status, accepted, rejections.count)
            respond(response)
        }
        guard records > 0 else {
            let isSyntax = rejections.listed.first?.isSyntaxError == true
            let detail =
                rejections.listed.first.map { "\($0.field.map { "\($0): " } ?? "")\($0.reason)" }
                ?? "no record was sent"
            guard !rejections.isEmpty else {
                return finish(.accepted(0, duplicates: 0, counts: "\(rejected),\(counts)"), 0)
            }
            return finish(
                isSyntax
                    ? .problem(400, "Bad Request", detail, extra: ",\(rejected)")
                    : .problem(422, "No Valid Record", "record 0: \(detail)", extra: ",\(rejected)"), 0)
        }
        submit(submission) { outcome in
            switch outcome {
            case .committed(let duplicates, let claimed):
                let accepted = max(0, records - duplicates - claimed)
                let more = claimed > 0 ? ",\"claimed\":\(claimed)" : ""
                finish(.accepted(accepted, duplicates: duplicates, counts: "\(rejected),\(counts)\(more)"), accepted)
            case .overloaded:
                let detail = "the intake queue is full; nothing was taken: send the same again later"
                finish(.problem(429, "Too Many Requests", detail).retryAfter(seconds: 1), 0)
            case .failed(let reason):
                finish(.problem(503, "Not Stored", "\(reason); send the same again later").retryAfter(seconds: 5), 0)
            }
        }
    }

    // MARK: ListenBrainz

    private func postListens(_ request: IntakeRequest, _ respond: @escaping Respond) {
        guard let token = request.token else {
            return respond(.listenBrainz(401, "You need to provide an Authorization header."))
        }
        guard let user = hooks.listenUser(token) else {
            return respond(.listenBrainz(401, "Invalid authorization token."))
        }
        let parser = hooks.listenParser()
        let result = request.body.withUnsafeReadableBytes { parser.parse($0, user: user, now: hooks.now()) }
        let refused = result.rejections.count
        if let error = result.error {
            hooks.observe("/1/submit-listens", 400, 0, max(1, refused))
            return respond(.listenBrainz(400, error))
        }
        let count = result.events.count
        let observe = hooks.observe
        // "rejected" is ours; clients of ListenBrainz look at "status".
        let extra = result.rejections.isEmpty ? "" : ",\(JSONText.members(result.rejections))"
        let submission = IntakeSubmission(events: result.events, announcements: result.announcements) { _ in }
        submit(submission) { outcome in
            switch outcome {
            case .committed(let duplicates, _):
                observe("/1/submit-listens", 200, max(0, count - duplicates), refused)
                respond(IntakeResponse(status: 200, body: #"{"status":"ok"\#(extra)}"#))
            case .overloaded:
                observe("/1/submit-listens", 429, 0, refused)
                respond(.listenBrainz(429, "Too many requests, try again later.").retryAfter(seconds: 1))
            case .failed(let reason):
                observe("/1/submit-listens", 503, 0, refused)
                respond(.listenBrainz(503, "\(reason); try again later.").retryAfter(seconds: 5))
            }
        }
    }

    private func validateToken(_ request: IntakeRequest) -> IntakeResponse {
        guard let token = request.token else {
            return .listenBrainz(400, "You need to provide an Authorization token.")
        }
        guard hooks.listenUser(token) != nil else {
            return IntakeResponse(status: 200, body: #"{"code":200,"message":"Token invalid.","valid":false}"#)
        }
        return IntakeResponse(
            status: 200, body: #"{"code":200,"message":"Token valid.","valid":true,"user_name":"listener"}"#)
    }

    // MARK: the engine

    func submit(_ submission: IntakeSubmission, _ respond: @escaping (IntakeOutcome) -> Void) {
        let records = submission.recordCount
        // One request larger than the whole queue passes when the queue is empty: else it could never pass.
        guard outstandingRecords == 0 || outstandingRecords + records <= configuration.recordsMax else {
            return respond(.overloaded)
        }
        let token = nextToken
        nextToken += 1
        var submission = submission
        submission.reply = { [loop] outcome in loop.execute { self.complete(token, outcome) } }
        let timeout = loop.scheduleTask(in: .milliseconds(configuration.replyMilliseconds)) { self.giveUp(token) }
        pending[token] = Pending(records: records, respond: respond, timeout: timeout)
        outstandingRecords += records
        if !hooks.submit(submission) { complete(token, .overloaded) }
    }

    /// A second reply finds nothing and does nothing.
    private func complete(_ token: UInt64, _ outcome: IntakeOutcome) {
        guard let entry = pending.removeValue(forKey: token) else { return }
        entry.timeout.cancel()
        outstandingRecords -= entry.records
        entry.respond?(outcome)
    }

    /// The records stay counted until the engine answers; the client is free to try again (ids make that safe).
    private func giveUp(_ token: UInt64) {
        let respond = pending[token]?.respond
        pending[token]?.respond = nil
        respond?(.failed(reason: "the buffer did not answer in time"))
    }
}

extension IntakeResponse {
    static func accepted(_ count: Int, duplicates: Int, counts: String) -> IntakeResponse {
        IntakeResponse(status: 200, body: #"{"accepted":\#(count),"duplicates":\#(duplicates),\#(counts)}"# + "\n")
    }
}
