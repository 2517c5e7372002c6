import Telemetry

/// Puts the values of the collectors of one interval together, one tick after the other.
///
/// As long as the collectors append the same series in the same order, the arrays of handles and start
/// timestamps are those of the tick before, shared, and only the values are new.
struct ScrapeAssembly {
    let intervalMilliseconds: Int64
    private var handles: [UInt32] = []
    private var startTimestamps: [Int64] = []
    private var values: [Double] = []
    private var position = 0
    private var hasChanged = true
    private var layout: UInt64 = 0
    /// Positions of series that stand earlier in the same tick already (hostile or odd kernel text).
    private var duplicates: Set<Int> = []
    private(set) var failures: [CollectorFailure] = []

    init(intervalMilliseconds: Int64) { self.intervalMilliseconds = intervalMilliseconds }

    /// Series of the last tick.
    var seriesCount: Int { handles.count }

    var isEmpty: Bool { position == 0 && failures.isEmpty }

    mutating func fail(_ failure: CollectorFailure) { failures.append(failure) }

    mutating func append(_ sink: ScrapeSink) {
        let end = position + sink.handles.count
        if end > handles.count || !handles[position..<end].elementsEqual(sink.handles)
            || !startTimestamps[position..<end].elementsEqual(sink.startTimestamps)
        {
            handles.removeSubrange(position...)
            startTimestamps.removeSubrange(position...)
            handles.append(contentsOf: sink.handles)
            startTimestamps.append(contentsOf: sink.startTimestamps)
            hasChanged = true
        }
        values.append(contentsOf: sink.values)
        position = end
    }

    /// The tick's scrape; the assembly starts afresh.
    /// - Parameter layoutCount: the runner's count of layouts so far.
    mutating func take(at timestamp: Timestamp, layoutCount: inout UInt64) -> Scrape {
        if position < handles.count {
            handles.removeSubrange(position...)
            startTimestamps.removeSubrange(position...)
            hasChanged = true
        }
        if hasChanged {
            layoutCount += 1
            layout = layoutCount
            hasChanged = false
            findDuplicates()
        }
        var scrape = Scrape(
            timestamp: timestamp, intervalMilliseconds: intervalMilliseconds, layout: layout, handles: handles,
            values: values, startTimestamps: startTimestamps, failures: failures)
        if !duplicates.isEmpty {
            let kept = handles.indices.filter { !duplicates.contains($0) }
            scrape.handles = kept.map { handles[$0] }
            scrape.values = kept.map { values[$0] }
            scrape.startTimestamps = kept.map { startTimestamps[$0] }
        }
        values = []
        values.reserveCapacity(handles.count)
        failures = []
        position = 0
        return scrape
    }

    private mutating func findDuplicates() {
        var seen = Set<UInt32>(minimumCapacity: handles.count)
        duplicates = Set(handles.indices.filter { !seen.insert(handles[$0]).inserted })
    }
}
