package import RuntimeSupport
package import Store
import Telemetry
import WireFormat

/// Hands one tenant's events or findings on to a relay, a request at a time, in the order in which they were committed:
/// each at least once, and since each has an id, it counts once.
///
/// What was answered is forgotten, durably, before the next request is read; so a crash of either side repeats one request
/// at most. Memory: the records of one request and its bodies.
///
/// Not thread-safe: one thread's.
package struct LaneForwarder {
    package static let eventsPerSend = 1000
    package static let findingsPerSend = 64
    /// Of a body, not compressed; one with more is sent as two. A relay takes 1 MiB, compressed.
    static let bodyBytesMax = 1 << 19

    private struct Part {
        var body: [UInt8]
        var records: Int
    }
    private struct Request {
        /// What is to be sent yet, first first.
        var parts: [Part]
        var finish: (TenantStore) throws -> Void
    }

    package let lane: ForwardLane
    private let store: TenantStore
    private let settings: ForwardSettings
    private let metrics: OwnMetrics
    private let report: (String) -> Void
    private let send: (_ body: [UInt8]) -> Forwarder.Outcome
    private var request: Request?
    private var backoff = Backoff(baseMilliseconds: 500, capMilliseconds: 60_000, floorMilliseconds: 100)
    private var generator = SystemRandomNumberGenerator()
    private var trouble: String?

    /// - Parameters:
    ///   - store: its forwarding is on, with this lane.
    ///   - send: a block of the lane, not compressed; blocks.
    package init(
        _ lane: ForwardLane, of store: TenantStore, _ settings: ForwardSettings, metrics: OwnMetrics,
        report: @escaping (String) -> Void, send: @escaping (_ body: [UInt8]) -> Forwarder.Outcome
    ) {
        self.lane = lane
        self.store = store
        self.settings = settings
        self.metrics = metrics
        self.report = report
        self.send = send
    }

    /// Sends one request, or what is left of one.
    /// - Returns: milliseconds to wait before the next step.
    /// - Throws: what the store throws; the step may come again.
    package mutating func step() throws -> Int64 {
        if request == nil { request = try next() }
        guard request != nil else { return Forwarder.idleMilliseconds }
        while let part = request?.parts.first {
            switch send(part.body) {
            case .taken: count(isTaken: true, part.records)
            case .refused(let reason):
                count(isTaken: false, part.records)
                note(trouble: "refused: \(reason)")
            case .later(let reason, let after):
                metrics.add("stagebox_forward_retries_total", 1, "tenant", store.tenant.rawValue)
                note(trouble: reason)
                return max(backoff.nextDelayMilliseconds(using: &generator), after ?? 0)
            }
            request?.parts.removeFirst()
        }
        try request?.finish(store)
        request = nil
        backoff.reset()
        if trouble != nil {
            trouble = nil
            report("\(lane.rawValue) of \(store.tenant) are forwarded again")
        }
        return 0
    }

    private func next() throws -> Request? {
        switch lane {
        case .events:
            try store.trimForwardEvents(to: Int64(settings.backlogBytes))
            metrics.set(
                "stagebox_forward_backlog_event_bytes", Double(store.forwardEventBytes), "tenant",
                store.tenant.rawValue)
            guard let batch = try store.forwardEvents(eventsMax: Self.eventsPerSend) else { return nil }
            let events = settings.events == .withoutUsers ? batch.events.map(\.withoutUser) : batch.events
            let parts = stride(from: 0, to: events.count, by: Self.eventsPerSend).flatMap { first in
                Self.parts(of: events[first..<min(first + Self.eventsPerSend, events.count)]) {
                    // Too much for a block: then in halves.
                    try? EventBlock.encode($0)
                }
            }
            return request(parts, of: events.count) { try $0.noteForwarded(batch) }
        case .findings:
            guard let batch = try store.forwardFindings(limit: Self.findingsPerSend) else { return nil }
            let parts = Self.parts(of: batch.findings[...]) { FindingBlock.encode($0) }
            return request(parts, of: batch.findings.count) { try $0.noteForwarded(batch) }
        }
    }

    /// What no block can hold counts as refused.
    private func request(
        _ parts: [Part], of records: Int, finish: @escaping (TenantStore) throws -> Void
    ) -> Request {
        let sent = parts.reduce(0) { $0 + $1.records }
        if sent < records { count(isTaken: false, records - sent) }
        return Request(parts: parts, finish: finish)
    }

    /// One body, or those of the halves of what is too much for one.
    /// - Parameter encode: nil for what no block can hold.
    private static func parts<Record>(of records: ArraySlice<Record>, _ encode: ([Record]) -> [UInt8]?) -> [Part] {
        guard !records.isEmpty else { return [] }
        if let body = encode(Array(records)), body.count <= bodyBytesMax || records.count == 1 {
            return [Part(body: body, records: records.count)]
        }
        guard records.count > 1 else { return [] }
        let middle = records.startIndex + records.count / 2
        return parts(of: records[..<middle], encode) + parts(of: records[middle...], encode)
    }

    private func count(isTaken: Bool, _ records: Int) {
        let name: StaticString =
            switch (lane, isTaken) {
            case (.events, true): "stagebox_forward_sent_events_total"
            case (.events, false): "stagebox_forward_refused_events_total"
            case (.findings, true): "stagebox_forward_sent_findings_total"
            case (.findings, false): "stagebox_forward_refused_findings_total"
            }
        metrics.add(name, Double(records), "tenant", store.tenant.rawValue)
    }

    private mutating func note(trouble reason: String) {
        if trouble == nil { report("\(lane.rawValue) of \(store.tenant) are not forwarded: \(reason)") }
        trouble = reason
    }
}

extension ListeningEvent {
    /// What was played, where and how, and nothing that tells whose event it is or which others are the same listener's.
    var withoutUser: ListeningEvent {
        var event = self
        event.user = nil
        event.pseudonymVersion = 0
        event[.session] = nil
        return event
    }
}
