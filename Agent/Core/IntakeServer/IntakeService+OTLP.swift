import Intake
import Interchange
import NIOCore
import Sources

/// OTLP/HTTP metrics: protobuf or JSON in, `ExportMetricsServiceResponse` out.
extension IntakeService {
    func postOTLP(_ request: IntakeRequest, _ respond: @escaping Respond) {
        guard let encoding = OTLPEncoding(contentType: request.contentType) else {
            return respond(
                .problem(415, "Unsupported Media Type", "send application/x-protobuf or application/json"))
        }
        let observe = hooks.observe
        let finish = { (response: IntakeResponse, accepted: Int, rejected: Int) in
            observe("/otlp/v1/metrics", response.status, accepted, rejected)
            respond(response)
        }
        let metrics: OTLPMetrics
        do throws(InterchangeError) {
            metrics = try read(request, encoding)
        } catch {
            return finish(.problem(400, "Bad Request", "\(error)"), 0, 1)
        }
        let rejected = metrics.batch.rejectedPointCount
        var answer = IntakeResponse.text("", contentType: encoding.contentType)
        answer.bytes = metrics.batch.response(encoding)
        guard !metrics.records.isEmpty else { return finish(answer, 0, rejected) }
        let count = metrics.records.count
        var submission = IntakeSubmission(metrics: metrics.records) { _ in }
        submission.families = metrics.families
        submit(submission) { outcome in
            switch outcome {
            case .committed(_, let claimed): finish(answer, count - claimed, rejected + claimed)
            case .overloaded:
                let detail = "the intake queue is full; nothing was taken: send the same again later"
                finish(.problem(429, "Too Many Requests", detail).retryAfter(seconds: 1), 0, rejected)
            case .failed(let reason):
                finish(
                    .problem(503, "Not Stored", "\(reason); send the same again later").retryAfter(seconds: 5), 0,
                    rejected)
            }
        }
    }

    private func read(_ request: IntakeRequest, _ encoding: OTLPEncoding) throws(InterchangeError) -> OTLPMetrics {
        var result: Result<OTLPMetrics, InterchangeError>?
        request.body.withUnsafeReadableBytes { bytes in
            result = Result { () throws(InterchangeError) in
                try OTLPMetrics(bytes, encoding, now: hooks.now())
            }
        }
        guard let result else { throw InterchangeError(.body, "the body cannot be read") }
        return try result.get()
    }
}

extension IntakeRequest {
    /// Whether a body for `/v1/metrics`, which is OTLP's own path and ours, is OTLP: protobuf by its type, JSON by the
    /// first member.
    var isOTLP: Bool {
        if OTLPEncoding(contentType: contentType) == .protobuf { return true }
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0a, 0x0d]
        let bytes = body.readableBytesView.drop { blanks.contains($0) }
        guard bytes.first == UInt8(ascii: "{") else { return false }
        return bytes.dropFirst().drop { blanks.contains($0) }.starts(with: "\"resourceMetrics\"".utf8)
    }
}
