import Access
import HTTPTypes
import Hummingbird
import RuntimeSupport
import Telemetry

/// A signed request is well below this.
let enrolmentBytesMax = 4096

func enrolmentRoutes(_ dependencies: APIDependencies, perSecond: Double, time: any TimeSource) -> [Route] {
    let limiter = RateLimiter(perSecond: perSecond, burst: 10, now: time.now)
    let (enrolment, pool) = (dependencies.enrolment, dependencies.pool)
    return [
        Route(.post, "/api/v1/enrol", .open, "a node's enrolment: a signed request for a certificate") { request in
            guard limiter.allows(request.context.peer, now: request.now) else {
                throw Problem(.tooManyRequests, "too many enrolment requests from this address", retryAfterSeconds: 10)
            }
            let body = try await request.body(upTo: enrolmentBytesMax)
            let host = request.request.head.authority.map { hostName(ofAuthority: $0) }
            let answer = try await pool.run { try enrolment.handle(body, reachedAs: host) }
            return Response(
                status: .ok, headers: [.contentType: "application/octet-stream"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer)))
        }
    ]
}

/// The host in `host`, `host:port` or `[address]:port`.
func hostName(ofAuthority authority: String) -> String {
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
        return String(authority[authority.index(after: authority.startIndex)..<end])
    }
    return String(authority.prefix { $0 != ":" })
}
