import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import PlainHTTP

/// A fresh connection's handlers: one that answers directly, which makes way for HTTP/1.1 as Hummingbird serves it.
struct DirectChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue { let channel: any Channel }

    let route: DirectRoute
    let prefixes: [StaticString]
    let usual: HTTP1Channel
    let connections: OpenConnections
    let isTLS: Bool
    let date: HTTPDate

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let parts = DirectHandler.Parts(
                route: route, prefixes: prefixes, isTLS: isTLS, date: date, makeWay: { try makeWay($0, logger) })
            try channel.pipeline.syncOperations.addHandler(DirectHandler(parts))
            return Value(channel: channel)
        }
    }

    /// On the channel's event loop.
    private func makeWay(_ channel: any Channel, _ logger: Logger) throws {
        let (usual, connections) = (usual, connections)
        // Complete when it returns: it does nothing but add handlers, here on their loop.
        usual.setup(channel: channel, logger: logger).whenComplete { result in
            switch result {
            case .success(let served):
                connections.run(for: channel) { await usual.handle(value: served, logger: logger) }
            case .failure: channel.close(promise: nil)
            }
        }
    }

    /// Connections are served by their handlers and by the tasks of ``OpenConnections``.
    func handle(value: Value, logger: Logger) async {}
}

extension HTTP1Channel {
    /// Hummingbird's server with a router behind it.
    init(_ router: some HTTPResponder<APIContext>, date: HTTPDate, logger: Logger) {
        self.init(responder: { request, writer, channel in
            var logger = logger
            logger[metadataKey: "hb.request.id"] = .stringConvertible(RequestID())
            let context = APIContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            var response: Response
            // The router turns errors into answers; this one could only be its own.
            do { response = try await router.respond(to: request, context: context) } catch {
                response = Response(status: .internalServerError)
            }
            response.headers[.date] = date.text
            do { try await writer.write(response: response.head, body: response.body) } catch {
                throw BrokenOff()
            }
        })
    }

    /// An answer ended before it was whole: whatever the reason, nothing more can be said on the connection.
    private struct BrokenOff: Error {}
}
