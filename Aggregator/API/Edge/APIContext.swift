import HTTPTypes
package import Hummingbird
import Logging
import NIOCore

/// A request's context: Hummingbird's own and the peer's address.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Without the port; empty for a Unix socket.
    package let peer: String

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = source.channel.remoteAddress?.ipAddress ?? ""
    }
}

/// Turns every error into problem details and adds the headers that all answers carry.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = APIContext
    let isTLS: Bool

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            if let problem = Problem(error) {
                response = problem.response
            } else {
                context.logger.error(
                    "a request failed", metadata: ["http.path": "\(request.uri.path)", "error": "\(error)"])
                response = Problem.failed.response
            }
        }
        response.headers[.xContentTypeOptions] = "nosniff"
        if let name = HTTPField.Name("Referrer-Policy") { response.headers[name] = "no-referrer" }
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        if isTLS { response.headers[.strictTransportSecurity] = "max-age=31536000" }
        return response
    }
}
