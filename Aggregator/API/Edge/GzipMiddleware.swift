import Gzip
import HTTPTypes
import Hummingbird
import NIOCore

/// Compresses answers for clients that want gzip: those of texts that are not short, streamed ones too.
///
/// Server-sent events stay as they are, since each must reach the page at once.
struct GzipMiddleware: RouterMiddleware {
    typealias Context = APIContext
    /// Shorter answers fit into a packet or two anyway.
    static let bytesMin = 1024

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        guard Self.isText(response.headers[.contentType]), response.headers[.contentEncoding] == nil else {
            return response
        }
        response.headers[.vary] = "Accept-Encoding"
        guard request.method != .head, (response.body.contentLength ?? .max) >= Self.bytesMin,
            AcceptEncoding.prefersGzip(request.headers[.acceptEncoding])
        else { return response }
        response.headers[.contentEncoding] = "gzip"
        // The bytes differ from those that the tag was made for, the content does not.
        if let tag = response.headers[.eTag], !tag.hasPrefix("W/") { response.headers[.eTag] = "W/" + tag }
        response.headers[.contentLength] = nil
        response.body = Self.compressed(response.body)
        return response
    }

    private static func isText(_ type: String?) -> Bool {
        guard let type = type?.prefix(while: { $0 != ";" }), type != "text/event-stream" else { return false }
        return type.hasPrefix("text/") || type.hasSuffix("json") || type.hasSuffix("+xml")
            || type == "application/openmetrics-text" || type == "application/javascript"
            || type == "application/x-ndjson" || type == "application/jsonl"
    }

    private static func compressed(_ body: ResponseBody) -> ResponseBody {
        ResponseBody { writer in
            let deflating = DeflatingWriter(parent: writer, deflater: try GzipDeflater())
            try await body.write(deflating)
        }
    }
}

/// Deflates what is written, in steps of ``stepBytes`` so that a large answer does not hold up its thread.
private struct DeflatingWriter: ResponseBodyWriter {
    static let stepBytes = 256 * 1024
    var parent: any ResponseBodyWriter
    let deflater: GzipDeflater
    private var ready: [UInt8] = []

    init(parent: any ResponseBodyWriter, deflater: GzipDeflater) {
        self.parent = parent
        self.deflater = deflater
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        var buffer = buffer
        while let part = buffer.readSlice(length: min(buffer.readableBytes, Self.stepBytes)), part.readableBytes > 0 {
            part.withUnsafeReadableBytes { deflater.append($0, to: &ready) }
            guard !ready.isEmpty else { continue }
            try await parent.write(ByteBuffer(bytes: ready))
            ready.removeAll(keepingCapacity: true)
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        deflater.finish(to: &ready)
        try await parent.write(ByteBuffer(bytes: ready))
        try await parent.finish(trailingHeaders)
    }
}
