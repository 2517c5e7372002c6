import Telemetry

/// One measured run: what each batch holds and how many there are.
struct LoadPlan {
    enum Content { case metrics(ticks: Int), events }

    let name: String
    let content: Content
    let batchesPerAgent: Int
    /// The time of the last sample.
    let end: Timestamp

    /// Everything unacknowledged is published again this often, whatever comes; nil: after a silence only.
    var resendMilliseconds: UInt64?

    static let eventsPerBatch = 500

    var recordsPerBatch: Int {
        switch content {
        case .metrics(let ticks): ticks * Workload.seriesCount
        case .events: Self.eventsPerBatch
        }
    }

    /// One sample of each series a second, the last one at ``end``.
    func timestamps(of batch: Int) -> [Int64] {
        guard case .metrics(let ticks) = content else { return [] }
        let first = end.milliseconds - Int64(batchesPerAgent * ticks) * 1000
        return (0..<ticks).map { first + Int64(batch * ticks + $0) * 1000 }
    }

    /// Plans of one process get windows of time of their own, an hour each, the earliest first.
    static func make(_ names: [String], now: Timestamp) -> [LoadPlan] {
        names.enumerated().compactMap { index, name in
            let fields = name.split(separator: ":")
            guard (2...3).contains(fields.count), let batches = Int(fields[1]) else { return nil }
            let end = now.advanced(byMilliseconds: -3_600_000 * Int64(names.count - 1 - index))
            var content = Content.events
            if fields[0] != "events" {
                guard let ticks = Int(fields[0].drop { !$0.isNumber }) else { return nil }
                content = .metrics(ticks: ticks)
            }
            let resend = fields.count > 2 ? UInt64(fields[2]) : nil
            return LoadPlan(
                name: String(fields[0]) + (resend == nil ? "" : "-flood"), content: content, batchesPerAgent: batches,
                end: end, resendMilliseconds: resend)
        }
    }
}
