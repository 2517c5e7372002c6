import Interchange
package import RuntimeSupport
package import Store
import Telemetry

/// Hands one tenant's samples on, a request at a time, in the order in which they were committed: each at least once,
/// those of one series by time.
///
/// The end of a request is durable before it is sent, its answer before the next one is. So after a crash of either
/// side exactly the request that was on its way comes again, and a receiver that refuses repetitions refuses nothing
/// new with it. Memory: the samples of one request and its body.
///
/// Not thread-safe: one thread's.
package struct Forwarder {
    /// What became of a body.
    package enum Outcome: Sendable, Hashable {
        case taken
        /// The receiver will never take it.
        case refused(String)
        /// It may take it another time; not before the given time has passed, if it says so.
        case later(String, afterMilliseconds: Int64? = nil)
    }

    /// A request that was refused is sent again in so many parts, so that what is refused costs its part only.
    static let partsMax = 16
    /// Blocks wait so long for others that overtook them.
    static let settleMilliseconds: Int64 = 1000
    /// How often it looks for samples when there were none.
    static let idleMilliseconds: Int64 = 1000

    private struct Request {
        var losses: [ForwardLoss: Int]
        /// What is to be sent yet, first first.
        var parts: [ArraySlice<ForwardBatch.Series>]
        var isSplit = false
    }
    private let store: TenantStore
    private let settings: ForwardSettings
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let send: (_ body: [UInt8]) -> Outcome
    private let report: (String) -> Void
    private var state: ForwardState
    /// An answer that is not durable yet.
    private var isUnsaved = false
    private var request: Request?
    private var backoff = Backoff(baseMilliseconds: 500, capMilliseconds: 60_000, floorMilliseconds: 100)
    private var generator = SystemRandomNumberGenerator()
    private var trouble: String?
    private var wanted: [SeriesID: Bool] = [:]

    /// - Parameters:
    ///   - store: its forwarding is on.
    ///   - send: a body of remote write 1.0, not compressed; blocks.
    package init(
        _ store: TenantStore, _ settings: ForwardSettings, time: any TimeSource, metrics: OwnMetrics,
        report: @escaping (String) -> Void, send: @escaping (_ body: [UInt8]) -> Outcome
    ) throws {
        self.store = store
        self.settings = settings
        self.time = time
        self.metrics = metrics
        self.report = report
        self.send = send
        try store.startForwarding(settings.lanes)
        state = store.forwardState ?? ForwardState(next: ForwardPosition(block: 0))
    }

    /// Sends one request, or what is left of one.
    /// - Returns: milliseconds to wait before the next step.
    /// - Throws: what the store throws; the step may come again.
    package mutating func step() throws -> Int64 {
        try store.trimForwardBacklog(to: Int64(settings.backlogBytes))
        let backlog = store.forwardBacklog
        metrics.set("stagebox_forward_backlog_bytes", Double(backlog.bytes), "tenant", store.tenant.rawValue)
        if request == nil { request = try next() }
        guard request != nil else { return Self.idleMilliseconds }
        while let part = request?.parts.first {
            switch send(body(of: part)) {
            case .taken:
                count("stagebox_forward_sent_samples_total", part)
                request?.parts.removeFirst()
            case .refused(let reason):
                refuse(part, reason)
            case .later(let reason, let after):
                metrics.add("stagebox_forward_retries_total", 1, "tenant", store.tenant.rawValue)
                note(trouble: reason)
                return max(backoff.nextDelayMilliseconds(using: &generator), after ?? 0)
            }
        }
        finish()
        return 0
    }

    /// Reads the next request and makes its end durable.
    private mutating func next() throws -> Request? {
        if wanted.count > Self.wantedMax { wanted.removeAll() }
        var wanted = wanted
        defer { self.wanted = wanted }
        let (matchers, index) = (settings.matchers, store.index)
        let batch = try store.forwardBatch(
            state, samplesMax: settings.samplesPerSend,
            receivedBefore: time.now.milliseconds - Self.settleMilliseconds
        ) { id in
            guard !matchers.isEmpty else { return true }
            if let known = wanted[id] { return known }
            let key = index.key(id)
            let isWanted = matchers.allSatisfy { $0.isSatisfied(by: key[$0.name] ?? "") }
            wanted[id] = isWanted
            return isWanted
        }
        guard let batch else {
            if isUnsaved { try save() }
            return nil
        }
        state.sending = batch.end
        guard !batch.series.isEmpty else {
            store.countForwardLosses(batch.losses)
            state = ForwardState(next: batch.end)
            try save()
            return nil
        }
        try save()
        return Request(losses: batch.losses, parts: [batch.series[...]])
    }
    /// Series whose being wanted is remembered; then all are forgotten.
    static let wantedMax = 1_000_000

    private mutating func save() throws {
        try store.noteForwarded(state)
        isUnsaved = false
    }

    private mutating func finish() {
        if let losses = request?.losses { store.countForwardLosses(losses) }
        request = nil
        state = ForwardState(next: state.sending ?? state.next)
        isUnsaved = true
        backoff.reset()
        if trouble != nil {
            trouble = nil
            report("samples of \(store.tenant) are forwarded again")
        }
    }

    private mutating func refuse(_ part: ArraySlice<ForwardBatch.Series>, _ reason: String) {
        request?.parts.removeFirst()
        if request?.isSplit == false, part.count > 1 {
            let size = (part.count + Self.partsMax - 1) / Self.partsMax
            request?.isSplit = true
            request?.parts = stride(from: part.startIndex, to: part.endIndex, by: size).map {
                part[$0..<min(part.endIndex, $0 + size)]
            }
            return
        }
        count("stagebox_forward_refused_samples_total", part)
        note(trouble: "refused: \(reason)")
    }

    private func count(_ name: StaticString, _ part: ArraySlice<ForwardBatch.Series>) {
        metrics.add(name, Double(part.reduce(0) { $0 + $1.values.count }), "tenant", store.tenant.rawValue)
    }

    private mutating func note(trouble reason: String) {
        if trouble == nil { report("samples of \(store.tenant) are not forwarded: \(reason)") }
        trouble = reason
    }

    /// With what is known of its metrics: a request speaks for itself, whoever takes it and whenever.
    private func body(of part: ArraySlice<ForwardBatch.Series>) -> [UInt8] {
        var encoder = RemoteWriteEncoder(.one)
        let keys = store.index.keys(part.map(\.id))
        var families: [String: MetricFamily] = [:]
        for (series, key) in zip(part, keys) where !key.labels.isEmpty {
            encoder.add(key, timestamps: series.timestamps, values: series.values)
            if let family = family(of: key[SeriesKey.nameLabel] ?? "", series.id) {
                families[family.name] = families[family.name] ?? family
            }
        }
        for (_, family) in families.sorted(by: { $0.key < $1.key }) { encoder.add(family) }
        return encoder.finish()
    }

    /// With help and unit, if its source told them.
    private func family(of metric: String, _ id: SeriesID) -> MetricFamily? {
        guard let told = store.metricFamily(of: metric) else {
            return MetricTypes.family(of: metric, store.index.type(of: id))
        }
        let type = told.type == .unknown ? store.index.type(of: id) : told.type
        return MetricFamily(name: told.name, type: FamilyType(type), unit: told.unit, help: told.help)
    }
}
