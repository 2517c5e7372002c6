import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// Pieces as they come. An error on the way breaks the transfer off, so that the client sees it is not whole.
    /// - Parameter next: empty pieces are passed over; nil ends the body.
    static func streamed(_ type: String, _ next: @escaping @Sendable () async throws -> [UInt8]?) -> Response {
        Response(
            status: .ok, headers: [.contentType: type],
            body: ResponseBody { writer in
                while let piece = try await next() {
                    if !piece.isEmpty { try await writer.write(ByteBuffer(bytes: piece)) }
                }
                try await writer.finish(nil)
            })
    }
}
