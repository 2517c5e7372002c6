/// Sends listening events and metrics of a service to the Stagebox agent on the same node.
///
///     let client = StageboxClient()
///     client.send(StageboxEvent(id: "play-4711", atMilliseconds: startedAt))
///     …
///     client.shutdown()
///
/// Sending never blocks: records wait in bounded memory, and one background thread posts them in batches, trying again
/// with growing pauses (up to 30 s) while the agent is away or overloaded. What finds no room, and what the agent
/// refuses, is counted in ``statistics``. Events are idempotent by id, so a batch that is sent twice counts once.
public final class StageboxClient: Sendable {
    public struct Configuration: Sendable {
        public var address: AgentAddress
        /// How long records wait for company. 10 to 60000 ms.
        public var flushMilliseconds: Int64 = 1000
        /// How often metrics are read. 1000 to 600000 ms.
        public var metricsMilliseconds: Int64 = 10_000
        /// Memory for records that wait; beyond it they are dropped and counted.
        public var bytesMax = 4 << 20
        /// Distinct metrics (name and dimensions); beyond it further ones are not recorded, and counted.
        public var metricsMax = 2000
        public init(address: AgentAddress = .standard()) { self.address = address }
    }

    public struct Statistics: Sendable, Equatable {
        /// Records that the agent took (it committed them to its buffer).
        public var sent = 0
        /// Records that the agent refused as invalid; its log and answers say why.
        public var refused = 0
        /// Records that found no room here.
        public var dropped = 0
        /// Metrics beyond ``Configuration/metricsMax``.
        public var metricsRefused = 0
        /// Batches that had to be sent again.
        public var retries = 0
    }

    let core: ClientCore

    public init(_ configuration: Configuration = Configuration()) {
        core = ClientCore(configuration)
        core.start()
    }

    deinit { core.stop() }

    public var statistics: Statistics { core.statistics }

    /// - Returns: false when there was no room; the event is counted as dropped.
    @discardableResult
    public func send(_ event: StageboxEvent) -> Bool { core.enqueue(event.line, .events) }

    /// Sends one sample, taken now.
    /// - Parameter type: `counter`, `gauge`, … as OpenMetrics names them.
    @discardableResult
    public func send(
        metric name: String, value: Double, type: String = "gauge", labels: [(String, String)] = []
    ) -> Bool {
        core.enqueue(ClientCore.line(name, type, labels, value, ClientCore.now()), .metrics)
    }

    /// Reads the metrics and waits until everything that waits was tried once.
    /// - Returns: whether nothing waits any more.
    @discardableResult
    public func flush() -> Bool { core.flush() }

    /// Tries once more to send what waits, then ends the background thread. Later records are dropped.
    public func shutdown() {
        _ = core.flush()
        core.stop()
    }
}
