package import Access
import Gzip
import HTTPTypes
package import Hummingbird
import NIOCore
package import Telemetry

/// A request that has passed the checks of its route.
package struct APIRequest: Sendable {
    package let request: Request
    package let context: APIContext
    package let query: Query
    /// nil on open routes only.
    package let principal: Principal?
    package let now: Timestamp

    /// The tenant that the request is about.
    /// - Throws: `notFound` for a tenant that is not the token's; `invalidRequest` when an installation's token names none.
    func tenant(_ access: AccessStore, _ pool: BlockingPool) async throws -> TenantID {
        guard let principal else { throw Problem(.unauthenticated, "send Authorization: Bearer <token>") }
        let named = try query.name(TenantID.self, "tenant")
        if let own = principal.tenant {
            guard named == nil || named == own else { throw Problem(.notFound, "there is no such tenant") }
            return own
        }
        guard let named else {
            throw Problem(.invalidRequest, "this token spans the installation: add ?tenant=<name>")
        }
        guard try await pool.run({ try access.hasTenant(named) }) else {
            throw Problem(.notFound, "there is no such tenant")
        }
        return named
    }

    /// The whole body, at most `bytesMax`; a gzipped one is inflated, within the same bound.
    /// - Throws: ``Problem``, also for other encodings.
    func body(upTo bytesMax: Int) async throws -> [UInt8] {
        let encoding = request.headers[.contentEncoding]?.lowercased() ?? "identity"
        switch encoding {
        case "identity", "": return try await encodedBody(upTo: bytesMax)
        case "gzip", "x-gzip": return try await inflatedBody(upTo: bytesMax)
        default:
            throw Problem(
                .unsupportedMedia, "Content-Encoding: gzip or none, not \(encoding.prefix(32))")
        }
    }

    /// The body as it was sent, whatever its encoding.
    func encodedBody(upTo bytesMax: Int) async throws -> [UInt8] {
        do {
            return Array(buffer: try await request.body.collect(upTo: bytesMax))
        } catch is NIOTooManyBytesError {
            throw Self.tooLarge(bytesMax)
        }
    }

    /// Inflates piece by piece as the body arrives.
    private func inflatedBody(upTo bytesMax: Int) async throws -> [UInt8] {
        var output: [UInt8] = []
        do {
            let inflater = try GzipInflater(boundBytes: bytesMax)
            for try await piece in request.body {
                var result: Result<Void, GzipError> = .success(())
                piece.withUnsafeReadableBytes { bytes in
                    result = Result { () throws(GzipError) in try inflater.append(bytes, to: &output) }
                }
                try result.get()
            }
            try inflater.finish()
        } catch let error as GzipError {
            switch error {
            case .tooLarge: throw Self.tooLarge(bytesMax)
            case .damaged, .truncated: throw Problem(.invalidRequest, "the body: \(error)")
            case .outOfMemory: throw Problem.busy
            }
        }
        return output
    }

    private static func tooLarge(_ bytesMax: Int) -> Problem {
        Problem(.payloadTooLarge, "the body exceeds this route's limit of \(bytesMax) bytes")
    }
}

/// The query part of a URL: names may repeat.
package struct Query: Sendable {
    /// Of the whole query.
    static let bytesMax = 32 * 1024
    private let items: [(name: String, value: String)]

    init(_ text: String?, bytesMax: Int = Query.bytesMax) throws {
        let text = text ?? ""
        guard text.utf8.count <= bytesMax else {
            throw Problem(.invalidRequest, "the parameters exceed \(bytesMax) bytes")
        }
        items = try text.split(separator: "&", omittingEmptySubsequences: true).map { item in
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (try Self.decode(parts[0]), parts.count > 1 ? try Self.decode(parts[1]) : "")
        }
    }

    private init(items: [(name: String, value: String)]) { self.items = items }

    func followed(by other: Query) -> Query { Query(items: items + other.items) }

    package subscript(name: String) -> String? { items.first { $0.name == name }?.value }
    package func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

    /// An RFC 3339 time or Unix seconds.
    func time(_ name: String) throws -> Timestamp? {
        guard let text = self[name] else { return nil }
        guard let time = TimeText.parse(text) else {
            throw Problem(
                .invalidRequest,
                "\(name): use RFC 3339 (2026-05-01T12:00:00Z) or Unix seconds, not \"\(text.prefix(64))\"")
        }
        return time
    }

    /// `start` and `end`, inclusive; the last hour by default.
    func range(now: Timestamp, defaultMilliseconds: Int64 = 3_600_000) throws -> ClosedRange<Timestamp> {
        let end = try time("end") ?? now
        let start = try time("start") ?? end.advanced(byMilliseconds: -defaultMilliseconds)
        guard start <= end else { throw Problem(.invalidRequest, "start lies after end") }
        return start...end
    }

    func name<N: Name>(_ type: N.Type, _ name: String) throws -> N? {
        guard let text = self[name] else { return nil }
        do { return try N(validating: text) } catch { throw Problem(.invalidRequest, "\(error)") }
    }

    func choice<Value: RawRepresentable<String> & CaseIterable>(_ name: String, _ type: Value.Type) throws -> Value? {
        guard let text = self[name] else { return nil }
        guard let value = Value(rawValue: text) else {
            let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(.invalidRequest, "\(name): one of \(choices), not \"\(text.prefix(64))\"")
        }
        return value
    }

    /// `application/x-www-form-urlencoded`: `+` is a blank.
    static func decode(_ text: Substring) throws -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst(), let low = rest.popFirst(),
                    let value = Hexadecimal.decode(String(decoding: [high, low], as: UTF8.self))
                else { throw Problem(.invalidRequest, "the query holds a \"%\" that is no percent-encoding") }
                bytes.append(contentsOf: value)
            default: bytes.append(byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.invalidRequest, "the query is not UTF-8")
        }
        return decoded
    }
}
