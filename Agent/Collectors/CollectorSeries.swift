import Synchronization
import Telemetry

/// The series that this agent's collectors produce, numbered by position: a handle is an index into the
/// descriptors that scrapes hand over, in order and each once.
///
/// Shared by the collector threads (a hung one may still register); locked only to register and to hand over
/// new descriptors, which happens when structure changes, not per sample. At ``capacity`` registration is
/// refused and the sample dropped and counted. Series of things that went away give their numbers back when the runner
/// begins anew, see ``CollectorRunner``.
public final class CollectorSeries: Sendable {
    /// Enough for a thousand units and devices; a hostile /proc cannot grow the agent beyond it.
    public static let capacity = 20_000

    private struct State {
        var numbers: [SeriesKey: UInt32] = [:]
        var pending: [SeriesDescriptor] = []
        var count = 0
        var refused: UInt64 = 0
    }
    private let state = Mutex(State())
    let capacity: Int

    public init(capacity: Int = CollectorSeries.capacity) { self.capacity = capacity }

    /// How many are registered.
    public var count: Int { state.withLock { $0.count } }
    /// How many registrations were refused at the bound.
    public var refused: UInt64 { state.withLock { $0.refused } }

    /// The handle of a series, the same one whenever it comes again; nil at the bound.
    func register(_ key: SeriesKey, _ type: MetricType) -> UInt32? {
        state.withLock { state in
            if let number = state.numbers[key] { return number }
            guard state.count < capacity else {
                state.refused &+= 1
                return nil
            }
            let number = UInt32(state.count)
            state.count += 1
            state.numbers[key] = number
            state.pending.append(SeriesDescriptor(key: key, type: type))
            return number
        }
    }

    /// The descriptors registered since the last call, in the order of their handles.
    func takeNew() -> [SeriesDescriptor] {
        state.withLock { state in
            guard !state.pending.isEmpty else { return [] }
            defer { state.pending = [] }
            return state.pending
        }
    }
}
