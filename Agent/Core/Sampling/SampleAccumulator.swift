package import Collectors
package import Telemetry

/// Gathers samples between two flushes and gives them out as columns.
///
/// Scrapes of one layout share a timeline; their values are kept as they come (time-major) and turned into
/// series-major columns once per flush. Samples pushed by applications are grouped by equal timelines.
///
/// Bound: ``samplesMax`` between two flushes; beyond it samples are refused and counted by the caller.
package struct SampleAccumulator: Sendable {
    /// 16 MiB of values: an hour of 576 series would need a flush interval far above the largest allowed.
    package static let samplesMax = 2_000_000

    /// Who hands in scrapes; each numbers its handles and layouts for itself.
    package enum Source: UInt8, Sendable, Comparable {
        case collectors, streams, sources
        package static func < (left: Source, right: Source) -> Bool { left.rawValue < right.rawValue }
    }
    private struct LayoutKey: Hashable, Comparable {
        var source: Source
        var layout: UInt64
        static func < (left: LayoutKey, right: LayoutKey) -> Bool {
            (left.source, left.layout) < (right.source, right.layout)
        }
    }
    private struct Layout: Sendable {
        var numbers: [UInt32]  // registry numbers in the order of the scrape's handles
        var order: [Int]  // positions sorted by registry number
        var startTimestamps: [Int64]
        var timestamps: [Int64] = []
        var values: [Double] = []  // time-major
    }
    private struct Points: Sendable {
        var timestamps: [Int64] = []
        var values: [Double] = []
    }

    package private(set) var registry: SeriesRegistry
    package private(set) var sampleCount = 0
    /// Samples that came out of order, were refused at a bound, or whose series could not be registered.
    package private(set) var refusedCount = 0
    private var handles: [Source: [UInt32?]] = [:]
    private var layouts: [LayoutKey: Layout] = [:]
    private var points: [UInt32: Points] = [:]
    /// Series of sources, which take no pushed samples.
    private var claimed = Set<UInt32>()

    package init(registry: SeriesRegistry = SeriesRegistry()) { self.registry = registry }

    /// Adds one scrape. A scrape whose timestamp is not after the last one of its layout (the clock stepped
    /// back) is refused as a whole and counted.
    package mutating func add(_ scrape: Scrape, from source: Source = .collectors) {
        let key = LayoutKey(source: source, layout: scrape.layout)
        for descriptor in scrape.newDescriptors {
            let number = registry.register(descriptor.key, descriptor.type)
            handles[source, default: []].append(number)
            if source == .sources, let number { claim(number) }
        }
        guard sampleCount + scrape.values.count <= Self.samplesMax else {
            refusedCount += scrape.values.count
            return
        }
        if layouts[key] == nil {
            layouts[key] = makeLayout(of: scrape, handles[source] ?? [])
        }
        let timestamp = scrape.timestamp.milliseconds
        guard var layout = layouts.removeValue(forKey: key) else {
            refusedCount += scrape.values.count
            return
        }
        if layout.numbers.count == scrape.values.count, layout.timestamps.last.map({ $0 < timestamp }) ?? true {
            layout.timestamps.append(timestamp)
            layout.values.append(contentsOf: scrape.values)
            sampleCount += scrape.values.count
        } else {
            refusedCount += scrape.values.count
        }
        layouts[key] = layout
    }

    /// A source's series is nobody else's: samples of one series must not stand in two groups of a batch out of order.
    private mutating func claim(_ number: UInt32) {
        claimed.insert(number)
        let pending = points.removeValue(forKey: number)?.values.count ?? 0
        sampleCount -= pending
        refusedCount += pending
    }

    private func makeLayout(of scrape: Scrape, _ handles: [UInt32?]) -> Layout? {
        var numbers: [UInt32] = []
        numbers.reserveCapacity(scrape.handles.count)
        for handle in scrape.handles {
            guard Int(handle) < handles.count, let number = handles[Int(handle)] else { return nil }
            numbers.append(number)
        }
        return Layout(
            numbers: numbers, order: numbers.indices.sorted { numbers[$0] < numbers[$1] },
            startTimestamps: scrape.startTimestamps)
    }

    /// Adds one pushed sample. Of two samples of a series at one instant the later call wins.
    /// - Returns: false when it was refused (registry or accumulator full, or a source's series).
    package mutating func add(_ key: SeriesKey, _ type: MetricType, _ sample: Sample) -> Bool {
        guard sampleCount < Self.samplesMax, let number = registry.register(key, type), !claimed.contains(number) else {
            refusedCount += 1
            return false
        }
        let timestamp = sample.timestamp.milliseconds
        var entry = points.removeValue(forKey: number) ?? Points()
        defer { points[number] = entry }
        // Almost always an append; a late sample is put where it belongs.
        var index = entry.timestamps.count
        while index > 0, entry.timestamps[index - 1] > timestamp { index -= 1 }
        if index > 0, entry.timestamps[index - 1] == timestamp {
            entry.values[index - 1] = sample.value
            return true
        }
        entry.timestamps.insert(timestamp, at: index)
        entry.values.insert(sample.value, at: index)
        sampleCount += 1
        return true
    }

    /// Hands out everything gathered since the last call; layouts are kept for the next scrapes.
    package mutating func take() -> MetricBatch {
        var batch = MetricBatch()
        for (key, var layout) in layouts.sorted(by: { $0.key < $1.key }) {
            // A layout that nothing used since the last flush belongs to series that went away.
            guard !layout.timestamps.isEmpty else {
                layouts[key] = nil
                continue
            }
            batch.groups.append(Self.group(of: layout))
            layout.timestamps.removeAll(keepingCapacity: true)
            layout.values.removeAll(keepingCapacity: true)
            layouts[key] = layout
        }
        batch.groups.append(contentsOf: pointGroups())
        points.removeAll(keepingCapacity: true)
        sampleCount = 0
        return batch
    }

    private static func group(of layout: Layout) -> MetricBatch.Group {
        let width = layout.numbers.count
        let height = layout.timestamps.count
        var values = [Double](repeating: 0, count: width * height)
        var target = 0
        for position in layout.order {
            for instant in 0..<height {
                values[target] = layout.values[instant * width + position]
                target += 1
            }
        }
        let starts = layout.startTimestamps
        let hasStarts = starts.count == width && starts.contains { $0 != 0 }
        return MetricBatch.Group(
            timestamps: layout.timestamps, series: layout.order.map { layout.numbers[$0] }, values: values,
            startTimestamps: hasStarts ? layout.order.map { starts[$0] } : [])
    }

    private func pointGroups() -> [MetricBatch.Group] {
        var byTimeline: [[Int64]: [UInt32]] = [:]
        for (number, entry) in points { byTimeline[entry.timestamps, default: []].append(number) }
        return byTimeline.map { timestamps, numbers in
            let series = numbers.sorted()
            return MetricBatch.Group(
                timestamps: timestamps, series: series, values: series.flatMap { points[$0]?.values ?? [] })
        }
        .sorted { ($0.series.first ?? 0, $0.timestamps.count) < ($1.series.first ?? 0, $1.timestamps.count) }
    }
}
