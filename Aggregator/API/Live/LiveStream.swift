import Access
import HTTPTypes
import Hummingbird
import NIOCore
import Telemetry

/// The server-sent events of `/api/v1/live/stream`:
///
/// * `fleet`: the list of `/api/v1/agents`, at the start and whenever it changes;
/// * `samples`: `{"agent":…,"series":[[{labels},[[ms,value],…]],…]}` as samples are committed; one that the agent judged
///   anomalous is `[ms,value,1]`;
/// * the end, once the token that it was opened with is no longer valid;
/// * a comment every tick without other news, so that both ends notice a dead connection.
struct LiveStream: Sendable {
    /// How often the fleet is looked at.
    static let tickMilliseconds = 2000

    let dependencies: APIDependencies
    let subscription: LiveFeed.Subscription
    let tenant: TenantID
    let tokenID: String

    private static let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store"]
    static var head: Response { Response(status: .ok, headers: headers) }

    func response() -> Response {
        Response(
            status: .ok, headers: Self.headers,
            body: ResponseBody { writer in
                let continuation = subscription.continuation
                // Ends with the stream: cancelled below, whichever way the stream ends.
                let ticker = Task {
                    while !Task.isCancelled {
                        continuation.yield(.tick)
                        try await Task.sleep(for: .milliseconds(Self.tickMilliseconds))
                    }
                }
                defer {
                    ticker.cancel()
                    dependencies.live.unsubscribe(subscription)
                }
                try await send(to: &writer)
                try await writer.finish(nil)
            })
    }

    private func send(to writer: inout any ResponseBodyWriter) async throws {
        var shown: [UInt8] = []
        for await update in subscription.updates {
            switch update {
            case .samples(let agent, let series):
                try await writer.write(Self.event("samples", Self.encode(agent, series)))
            case .tick:
                let (sources, tenant) = (dependencies.sources, tenant)
                let (access, tokenID, now) = (dependencies.access, tokenID, dependencies.now())
                let answer = try await dependencies.pool.run {
                    try access.isValid(tokenID: tokenID, now: now) ? try sources.agents(of: tenant) : nil
                }
                guard let fleet = answer else { return }
                let encoded = JSON.array(fleet.map(\.json)).encoded
                if encoded == shown {
                    try await writer.write(ByteBuffer(string: ": still here\n\n"))
                } else {
                    shown = encoded
                    try await writer.write(Self.event("fleet", encoded))
                }
            }
        }
    }

    /// The data holds no line break: JSON escapes them.
    private static func event(_ name: String, _ data: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(data.count + 32)
        buffer.writeString("event: \(name)\ndata: ")
        buffer.writeBytes(data)
        buffer.writeString("\n\n")
        return buffer
    }

    static func encode(_ agent: AgentID, _ series: [LiveSeries]) -> [UInt8] {
        var writer = JSONWriter()
        writer.raw("{\"agent\":")
        writer.write(agent.rawValue)
        writer.raw(",\"series\":[")
        for (index, one) in series.enumerated() {
            if index > 0 { writer.byte(",") }
            writer.byte("[")
            writer.write(labels: one.key)
            writer.raw(",[")
            for (place, sample) in one.samples.enumerated() {
                if place > 0 { writer.byte(",") }
                writer.byte("[")
                writer.write(sample.timestamp.milliseconds)
                writer.byte(",")
                writer.write(sample.value)
                if one.anomalies.contains(place) { writer.raw(",1") }
                writer.byte("]")
            }
            writer.raw("]]")
        }
        writer.raw("]}")
        return writer.bytes
    }
}

extension JSONWriter {
    /// A series' labels as one object.
    mutating func write(labels key: SeriesKey) {
        byte("{")
        for (index, label) in key.labels.enumerated() {
            if index > 0 { byte(",") }
            write(label.name)
            byte(":")
            write(label.value)
        }
        byte("}")
    }
}
