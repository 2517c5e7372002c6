public import Telemetry

/// A registered series: its handle and whether it counts since boot. Four bytes of each are all that a
/// collector keeps per sample.
public struct SeriesHandle: Sendable {
    /// `UInt32.max`: refused at the bound; samples of it are dropped.
    fileprivate let number: UInt32
    fileprivate let start: Start
    enum Start: UInt8, Sendable { case unknown, boot, process }
    static let none = SeriesHandle(number: .max, start: .unknown)
    fileprivate init(number: UInt32, start: Start) {
        self.number = number
        self.start = start
    }
}

/// Takes what a collector reads. Appending allocates nothing once the capacity of the last tick is reached.
public struct ScrapeSink {
    let series: CollectorSeries
    /// Where files are read; belongs to the collecting thread.
    var buffer: ReadBuffer
    /// What counters of the kernel and of this process count since, milliseconds, 0 unknown.
    var starts: CounterStarts
    /// The tick's time.
    public internal(set) var timestamp: Timestamp = Timestamp(milliseconds: 0)
    /// Lines of kernel text that could not be understood, since the collector started.
    public internal(set) var malformedLines: UInt64 = 0

    private(set) var handles: [UInt32] = []
    private(set) var values: [Double] = []
    private(set) var startTimestamps: [Int64] = []

    init(series: CollectorSeries, buffer: ReadBuffer, starts: CounterStarts) {
        self.series = series
        self.buffer = buffer
        self.starts = starts
    }

    public var count: Int { values.count }

    /// Forgets the values, keeps the room.
    mutating func clear() {
        handles.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        startTimestamps.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    public mutating func append(_ handle: SeriesHandle, _ value: Double) {
        guard handle.number != .max else { return }
        handles.append(handle.number)
        values.append(value)
        startTimestamps.append(handle.start == .unknown ? 0 : starts[handle.start])
    }

    @inline(__always)
    public mutating func append(_ handle: SeriesHandle, _ value: UInt64) { append(handle, Double(value)) }

    /// Registers a gauge (or the same one again). Slow path: when structure changes.
    public func gauge(_ name: String, _ labels: Label...) -> SeriesHandle { register(name, labels, .gauge, .unknown) }

    /// Registers a counter that the kernel keeps since boot.
    public func counter(_ name: String, _ labels: Label...) -> SeriesHandle { register(name, labels, .counter, .boot) }

    /// Registers a series under any type.
    func register(
        _ name: String, _ labels: [Label], _ type: MetricType, _ start: SeriesHandle.Start
    ) -> SeriesHandle {
        guard let number = series.register(SeriesKey(name: name, labels: labels), type) else { return .none }
        return SeriesHandle(number: number, start: start)
    }
}

/// Since when counters count, milliseconds since 1970; 0 where unknown.
struct CounterStarts: Sendable, Equatable {
    /// The kernel's boot time, for what the kernel counts.
    var boot: Int64 = 0
    /// This process's start, for what the agent counts.
    var process: Int64 = 0

    subscript(start: SeriesHandle.Start) -> Int64 {
        switch start {
        case .unknown: 0
        case .boot: boot
        case .process: process
        }
    }
}
