import Synchronization
package import Telemetry

/// New samples of one series, oldest first.
package struct LiveSeries: Hashable, Sendable {
    package var key: SeriesKey
    package var samples: [Sample]
    /// Indexes of those that the agent judged anomalous.
    package var anomalies: Set<Int>
    package init(key: SeriesKey, samples: [Sample], anomalies: Set<Int> = []) {
        self.key = key
        self.samples = samples
        self.anomalies = anomalies
    }
}

/// What a subscriber of the live stream gets.
package enum LiveUpdate: Sendable {
    case samples(agent: AgentID, [LiveSeries])
    /// Time to look whether the fleet has changed, and to show that the stream lives.
    case tick
}

/// Hands freshly committed samples to the open live pages.
///
/// Thread-safe; `publish` never waits: a subscriber that does not keep up loses the oldest updates, counted.
package final class LiveFeed: Sendable {
    package static let subscribersMax = 256
    package static let subscribersPerTenantMax = 64
    /// Updates that wait for one subscriber.
    package static let waitingMax = 64

    /// The metrics that the page charts; others are not worth sending every second.
    package static let metricNames: Set<String> = [
        "node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes", "node_load1",
        "node_network_receive_bytes_total", "node_network_transmit_bytes_total",
        "stagebox_stream_concurrent_listeners", "stagebox_stream_plays_total", "stagebox_stream_skips_total",
        "stagebox_stream_startup_failures_total",
    ]

    package struct Watch: Hashable, Sendable {
        package let tenant: TenantID
        package let agent: AgentID
    }
    private struct Subscriber {
        let watch: Watch?
        let tenant: TenantID
        let continuation: AsyncStream<LiveUpdate>.Continuation
    }
    private struct State {
        var subscribers: [UInt64: Subscriber] = [:]
        var watched: [Watch: Int] = [:]
        var next: UInt64 = 0
        var dropped: UInt64 = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    package init() {}

    /// Whether a page shows this agent; else nothing need be prepared for it. One hash look-up.
    package func isWatched(_ agent: AgentID, of tenant: TenantID) -> Bool {
        state.withLock { !$0.watched.isEmpty && $0.watched[Watch(tenant: tenant, agent: agent)] != nil }
    }

    /// The agents that somebody looks at: their flush interval should be short.
    package var watched: Set<Watch> { state.withLock { Set($0.watched.keys) } }
    /// Open streams and updates that slow ones lost.
    package var counts: (subscribers: Int, dropped: UInt64) { state.withLock { ($0.subscribers.count, $0.dropped) } }

    /// Sends samples that have just been committed. Those of other metrics than ``metricNames`` are left out.
    package func publish(_ series: [LiveSeries], of agent: AgentID, tenant: TenantID) {
        let watch = Watch(tenant: tenant, agent: agent)
        let continuations = state.withLock { state in
            state.watched[watch] == nil
                ? [] : state.subscribers.values.filter { $0.watch == watch }.map(\.continuation)
        }
        guard !continuations.isEmpty else { return }
        let shown = series.filter { Self.metricNames.contains($0.key.name) && !$0.samples.isEmpty }
        guard !shown.isEmpty else { return }
        for continuation in continuations {
            if case .dropped = continuation.yield(.samples(agent: agent, shown)) { state.withLock { $0.dropped += 1 } }
        }
    }

    /// Ends every stream; for the shutdown. New ones are refused.
    package func close() {
        let all = state.withLock { state in
            state.isClosed = true
            return state.subscribers.values.map(\.continuation)
        }
        for continuation in all { continuation.finish() }
    }

    // MARK: Subscribing

    struct Subscription: Sendable {
        let id: UInt64
        let updates: AsyncStream<LiveUpdate>
        let continuation: AsyncStream<LiveUpdate>.Continuation
    }

    /// - Returns: nil at the bound of subscribers, or after ``close()``.
    func subscribe(tenant: TenantID, agent: AgentID?) -> Subscription? {
        let (updates, continuation) = AsyncStream.makeStream(
            of: LiveUpdate.self, bufferingPolicy: .bufferingNewest(Self.waitingMax))
        let watch = agent.map { Watch(tenant: tenant, agent: $0) }
        return state.withLock { state in
            let ofTenant = state.subscribers.values.count { $0.tenant == tenant }
            guard !state.isClosed, state.subscribers.count < Self.subscribersMax,
                ofTenant < Self.subscribersPerTenantMax
            else { return nil }
            state.next += 1
            state.subscribers[state.next] = Subscriber(watch: watch, tenant: tenant, continuation: continuation)
            if let watch { state.watched[watch, default: 0] += 1 }
            return Subscription(id: state.next, updates: updates, continuation: continuation)
        }
    }

    func unsubscribe(_ subscription: Subscription) {
        subscription.continuation.finish()
        state.withLock { state in
            guard let gone = state.subscribers.removeValue(forKey: subscription.id), let watch = gone.watch else {
                return
            }
            let left = (state.watched[watch] ?? 1) - 1
            state.watched[watch] = left > 0 ? left : nil
        }
    }
}
