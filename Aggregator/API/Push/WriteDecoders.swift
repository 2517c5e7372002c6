import Interchange
import Store
import Synchronization
import Telemetry

/// Remote write decoders, which know a tenant's series: lent to one request at a time.
final class WriteDecoders: Sendable {
    /// Idle decoders kept for each tenant; each knows every series that it has met (40 B each).
    static let idleMax = 4

    private struct Entry: Sendable {
        /// Whose ids the decoders hold. Another one after the store was opened anew.
        let series: PushedSeries
        var idle: [RemoteWriteDecoder] = []
    }
    private let entries = Mutex<[TenantID: Entry]>([:])

    func use<Result>(
        _ tenant: TenantID, _ series: PushedSeries, _ body: (inout RemoteWriteDecoder) throws -> Result
    ) rethrows -> Result {
        var decoder =
            entries.withLock { entries in
                if entries[tenant]?.series !== series { entries[tenant] = Entry(series: series) }
                return entries[tenant]?.idle.popLast()
            } ?? RemoteWriteDecoder()
        defer {
            let used = decoder
            entries.withLock { entries in
                guard let entry = entries[tenant], entry.series === series, entry.idle.count < Self.idleMax else {
                    return
                }
                entries[tenant]?.idle.append(used)
            }
        }
        return try body(&decoder)
    }
}
