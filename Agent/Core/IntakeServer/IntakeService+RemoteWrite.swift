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
        guard let relay = hooks.relay else { return finish(.noRelay, 0, 0) }
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
        let relayed = RelayedRecords(series: write.series, families: write.families)
        guard !relayed.isEmpty else { return finish(answer(0), 0, write.refusedCount) }
        submit(IntakeSubmission(relayed: relayed) { _ in }) { outcome in
            switch outcome {
            case .committed(_, let left):
                finish(answer(left), write.sampleCount - left, write.refusedCount + left)
            case .overloaded: finish(.relayFull, 0, 0)
            case .failed(let reason): finish(.notStored(reason), 0, 0)
            }
        }
    }

    private func read(_ request: IntakeRequest, _ relay: String) -> Result<RelayedWrite, CodingRefusal> {
        guard RemoteWriteVersion(contentType: request.contentType) == .one else {
            let detail = "send remote write 1.0, prometheus.WriteRequest"
            return .failure(CodingRefusal(response: .problem(415, "Unsupported Media Type", detail)))
        }
        let now = hooks.now()
        return request.relayedBody { try RelayedWrite($0, relay: relay, now: now) }
    }
}

extension IntakeRequest {
    /// The body under zstd, or as it is, read by `read`.
    func relayedBody<Value>(_ read: (UnsafeRawBufferPointer) throws -> Value) -> Result<Value, CodingRefusal> {
        func refusal(_ status: Int, _ title: String, _ detail: String) -> Result<Value, CodingRefusal> {
            .failure(CodingRefusal(response: .problem(status, title, detail)))
        }
        let coding = contentEncoding?.lowercased() ?? "identity"
        guard coding == "zstd" || coding == "identity" else {
            let detail = "Content-Encoding: zstd or identity; an aggregator forwards so with \"encoding: zstd\""
            return refusal(415, "Unsupported Media Type", detail)
        }
        return body.withUnsafeReadableBytes { bytes in
            do {
                guard coding == "zstd" else { return .success(try read(bytes)) }
                let body = try ZstdDecompressor().decompress(bytes, boundBytes: IntakeService.relayedBytesMax)
                return .success(try body.withUnsafeBytes(read))
            } catch ZstdError.tooLarge(let bound) {
                return refusal(413, "Content Too Large", "more than \(bound) bytes inflated; send less at once")
            } catch {
                return refusal(400, "Bad Request", "\(error)")
            }
        }
    }
}

extension IntakeResponse {
    static var noRelay: IntakeResponse {
        .problem(403, "Forbidden", "this agent is no relay: enrol it with a token of \"stagebox enrol --relay\"")
    }
    static var relayFull: IntakeResponse {
        .problem(
            429, "Too Many Requests", "the buffer or the queue is full; nothing was taken: send the same again later"
        ).retryAfter(seconds: 5)
    }

    static func notStored(_ reason: String) -> IntakeResponse {
        .problem(503, "Not Stored", "\(reason); send the same again later").retryAfter(seconds: 5)
    }
}
