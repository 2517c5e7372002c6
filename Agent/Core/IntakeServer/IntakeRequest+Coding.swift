import Gzip
import NIOCore

extension IntakeRequest {
    /// Of a body under gzip, which itself may have as many bytes as any.
    static let inflatedBytesMax = 2 << 20

    /// The request with its body as it was before `Content-Encoding`: an OpenTelemetry Collector compresses unless it is
    /// told not to.
    /// - Throws: ``CodingRefusal`` for codings other than gzip, for what does not inflate, or to more than the bound.
    /// - Complexity: O(inflated bytes), some 5 ms for a MiB; that and 40 KiB of memory while it runs.
    func inflated() throws(CodingRefusal) -> IntakeRequest {
        switch contentEncoding?.lowercased() ?? "identity" {
        case "identity": return self
        case "gzip", "x-gzip": break
        default:
            throw CodingRefusal(
                response: .problem(415, "Unsupported Media Type", "Content-Encoding: gzip, or none at all"))
        }
        var output: [UInt8] = []
        let result = body.withUnsafeReadableBytes { bytes -> Result<Void, GzipError> in
            Result { () throws(GzipError) in
                let inflater = try GzipInflater(boundBytes: Self.inflatedBytesMax)
                try inflater.append(bytes, to: &output)
                try inflater.finish()
            }
        }
        switch result {
        case .success: break
        case .failure(.tooLarge(let bound)):
            throw CodingRefusal(
                response: .problem(
                    413, "Content Too Large", "a body may inflate to \(bound) bytes; send smaller batches"))
        case .failure(.outOfMemory):
            throw CodingRefusal(
                response: .problem(503, "Not Stored", "there is no memory to inflate it").retryAfter(seconds: 5))
        case .failure(let error):
            throw CodingRefusal(response: .problem(400, "Bad Request", "\(error)"))
        }
        var plain = self
        plain.body = ByteBuffer(bytes: output)
        plain.contentEncoding = nil
        return plain
    }
}

/// What a request whose body cannot be had is answered with.
struct CodingRefusal: Error { let response: IntakeResponse }
