import Interchange
import Store
import Synchronization
import Telemetry

/// Remote write decoders, which know a tenant's series, with memory to inflate bodies in: lent to one request at a time.
final class WriteDecoders: Sendable {
    /// Idle decoders kept for each tenant; each knows every series that it has met (40 B each).
    static let idleMax = 4
    /// Memory kept with one of them: making it anew would cost more than reading a body.
    static let inflatedKeptBytesMax = 4 << 20

    struct Lent: Sendable {
        var decoder = RemoteWriteDecoder()
        var inflated: [UInt8] = []
    }
    private struct Entry: Sendable {
        /// Whose ids the decoders hold. Another one after the store was opened anew.
        let series: PushedSeries
        var idle: [Lent] = []
    }
    private let entries = Mutex<[TenantID: Entry]>([:])

    func use<Result>(
        _ tenant: TenantID, _ series: PushedSeries, _ body: (inout Lent) throws -> Result
    ) rethrows -> Result {
        var lent =
            entries.withLock { entries in
                if entries[tenant]?.series !== series { entries[tenant] = Entry(series: series) }
                return entries[tenant]?.idle.popLast()
            } ?? Lent()
        defer {
            if lent.inflated.capacity > Self.inflatedKeptBytesMax { lent.inflated = [] }
            let used = lent
            entries.withLock { entries in
                guard let entry = entries[tenant], entry.series === series, entry.idle.count < Self.idleMax else {
                    return
                }
                entries[tenant]?.idle.append(used)
            }
        }
        return try body(&lent)
    }
}
