import HTTPTypes
import Hummingbird
import RuntimeSupport

func healthRoutes(_ dependencies: APIDependencies, metrics: OwnMetrics, isLoopback: Bool) -> [Route] {
    [
        Route(.get, "/healthz", .open, "whether the program runs") { _ in
            Response.json(.object([("status", .string("ok"))]))
        },
        Route(.get, "/readyz", .open, "whether it can do its work") { _ in
            let problems = dependencies.readiness().problems
            guard problems.isEmpty else {
                throw Problem(.notReady, problems.joined(separator: "; "), retryAfterSeconds: 5)
            }
            return .json(.object([("status", .string("ready"))]))
        },
        // Numbers of the whole installation, so a tenant's token does not open them.
        Route(.get, "/metrics", isLoopback ? .open : .installation, "its own metrics, OpenMetrics 1.0") { _ in
            let (subscribers, dropped) = dependencies.live.counts
            metrics.set("stagebox_http_live_streams", Double(subscribers))
            metrics.set("stagebox_http_live_dropped_updates", Double(dropped))
            let text = OpenMetrics.text(metrics.readings())
            return Response(
                status: .ok, headers: [.contentType: OpenMetrics.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        },
    ]
}
