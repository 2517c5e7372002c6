import Compression
import Interchange
import NIOCore
import Sources

/// Prometheus remote write 1.0 at a relay, as a regional aggregator forwards it: bodies under zstd, or as they are.
extension IntakeService {
    /// Of a body.
    static let relayedBytesMax = 8 << 20

    func postRemoteWrite(_ request: IntakeRequest, _ respond: @escaping Respond) {
        let observe = hooks.observe
        let finish = { (response: IntakeResponse, accepted: Int, refused: Int) in
            observe("/api/v1/write", response.status, accepted, refused)
            respond(response)
        }
        guard let relay = hooks.relay else {
            let detail = "this agent is no relay: enrol it with a token of \"stagebox enrol --relay\""
            return finish(.problem(403, "Forbidden", detail), 0, 0)
        }
        let write: RelayedWrite
        switch read(request, relay) {
        case .success(let made): write = made
        case .failure(let refusal): return finish(refusal.response, 0, 0)
        }
        let answer = { (left: Int) -> IntakeResponse in
            let refused = write.refusedCount + left
            guard refused > 0 else { return IntakeResponse(status: 204, body: "") }
            let reason = write.problem ?? "the agent has no room to name their series"
            return .problem(
                400, "Bad Request", "\(refused) samples were not taken: \(reason)",
                extra: #","accepted":\#(write.sampleCount - left),"refused":\#(refused)"#)
        }
        guard !write.series.isEmpty else { return finish(answer(0), 0, write.refusedCount) }
        submit(IntakeSubmission(relayed: write.series) { _ in }) { outcome in
            switch outcome {
            case .committed(_, let left):
                finish(answer(left), write.sampleCount - left, write.refusedCount + left)
            case .overloaded:
                let detail = "the buffer or the queue is full; nothing was taken: send the same again later"
                finish(.problem(429, "Too Many Requests", detail).retryAfter(seconds: 5), 0, 0)
            case .failed(let reason):
                finish(
                    .problem(503, "Not Stored", "\(reason); send the same again later").retryAfter(seconds: 5), 0, 0)
            }
        }
    }

    private struct Refusal: Error { let response: IntakeResponse }

    private func read(_ request: IntakeRequest, _ relay: String) -> Result<RelayedWrite, Refusal> {
        func refusal(_ status: Int, _ title: String, _ detail: String) -> Result<RelayedWrite, Refusal> {
            .failure(Refusal(response: .problem(status, title, detail)))
        }
        guard RemoteWriteVersion(contentType: request.contentType) == .one else {
            return refusal(415, "Unsupported Media Type", "send remote write 1.0, prometheus.WriteRequest")
        }
        let coding = request.contentEncoding?.lowercased() ?? "identity"
        guard coding == "zstd" || coding == "identity" else {
            let detail = "Content-Encoding: zstd or identity; an aggregator forwards so with \"encoding: zstd\""
            return refusal(415, "Unsupported Media Type", detail)
        }
        var result: Result<RelayedWrite, Refusal>?
        let now = hooks.now()
        request.body.withUnsafeReadableBytes { bytes in
            do {
                if coding == "identity" {
                    result = .success(try RelayedWrite(bytes, relay: relay, now: now))
                } else {
                    let body = try ZstdDecompressor().decompress(bytes, boundBytes: Self.relayedBytesMax)
                    try body.withUnsafeBytes { result = .success(try RelayedWrite($0, relay: relay, now: now)) }
                }
            } catch ZstdError.tooLarge(let bound) {
                result = refusal(413, "Content Too Large", "more than \(bound) bytes inflated; send less at once")
            } catch {
                result = refusal(400, "Bad Request", "\(error)")
            }
        }
        return result ?? refusal(400, "Bad Request", "the body cannot be read")
    }
}
