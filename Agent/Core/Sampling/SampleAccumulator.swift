package import Collectors
package import Telemetry

/// Gathers samples between two flushes and gives them out as columns.
///
/// Scrapes of one layout share a timeline; their values are kept as they come (time-major) and turned into
/// series-major columns once per flush. Samples with times of their own are grouped by equal timelines.
///
/// Bound: ``samplesMax`` between two flushes; beyond it samples are refused. What is refused is counted once, with its
/// reason. Series that nobody has used for long give their numbers back, see ``renewIfWorthwhile()``.
package struct SampleAccumulator: Sendable {
    /// 16 MiB of values: an hour of 576 series would need a flush interval far above the largest allowed.
    package static let samplesMax = 2_000_000
    /// Flushes without a sample after which a series may lose its number: an hour at the usual interval.
    package static let idleFlushesMax: UInt32 = 360

    /// Who hands in scrapes; each numbers its handles and layouts for itself.
    package enum Source: UInt8, Sendable, Comparable {
        case collectors, streams, sources
        package static func < (left: Source, right: Source) -> Bool { left.rawValue < right.rawValue }
    }
    /// Why a sample was not taken.
    package enum Refusal: String, Sendable, CaseIterable {
        /// Not after the one before it of the same series: the clock stepped back.
        case order = "out-of-order"
        /// ``samplesMax``.
        case full = "queue-full"
        /// The registry is full, or the series is beyond `SeriesLimits`.
        case series = "series-limit"
        /// The series is a source's, which alone gives its samples.
        case claimed
        /// A scrape that does not fit its own handles.
        case malformed
    }
    private struct LayoutKey: Hashable, Comparable {
        var source: Source
        var layout: UInt64
        static func < (left: LayoutKey, right: LayoutKey) -> Bool {
            (left.source, left.layout) < (right.source, right.layout)
        }
    }
    private struct Layout: Sendable {
        /// Columns of a scrape, also those without a series.
        var width: Int
        /// Registry numbers, ascending, and in which column of the scrape each stands.
        var numbers: [UInt32]
        var columns: [Int]
        var startTimestamps: [Int64]
        var timestamps: [Int64] = []
        var values: [Double] = []  // time-major
        /// Places in `values` that detection found anomalous.
        var anomalous = Set<Int>()
    }
    private struct Points: Sendable {
        var timestamps: [Int64] = []
        var values: [Double] = []
    }
    private struct Handle: Sendable {
        var descriptor: SeriesDescriptor
        /// nil while the registry has no room for it.
        var number: UInt32?
    }

    package private(set) var registry: SeriesRegistry
    /// How often all numbers were given anew; what was made of earlier ones is void.
    package private(set) var renewals = 0
    package private(set) var sampleCount = 0
    package private(set) var refused: [Refusal: Int] = [:]
    package var refusedCount: Int { refused.values.reduce(0, +) }
    private var handles: [Source: [Handle]] = [:]
    private var generations: [Source: UInt64] = [:]
    private var layouts: [LayoutKey: Layout] = [:]
    private var points: [UInt32: Points] = [:]
    /// Series of sources, which take no pushed samples.
    private var claimed = Set<UInt32>()
    /// By number: the flush that it was used in last.
    private var lastUsed: [UInt32] = []
    private var flushes: UInt32 = 0
    private var nextRenewal: UInt32 = 0

    /// Beyond it no table would name a series.
    package static let seriesMax = SeriesTableSet.tablesMax * SeriesTableSet.seriesPerTableMax

    package init(registry: SeriesRegistry = SeriesRegistry(capacity: Self.seriesMax)) { self.registry = registry }

    /// The series that a source has numbered so far, in the order of their handles.
    package func known(of source: Source) -> (generation: UInt64, descriptors: [SeriesDescriptor])? {
        generations[source].map { ($0, (handles[source] ?? []).map(\.descriptor)) }
    }

    mutating func refuse(_ reason: Refusal, _ count: Int = 1) {
        if count > 0 { refused[reason, default: 0] += count }
    }

    private mutating func number(of key: SeriesKey, _ type: MetricType) -> UInt32? {
        guard key.isWithinLimits, let number = registry.register(key, type) else { return nil }
        while lastUsed.count <= Int(number) { lastUsed.append(flushes) }
        return number
    }

    /// The series' number, which it keeps from now on for as long as one that a flush has used; nil: it found no room.
    mutating func use(_ descriptor: SeriesDescriptor) -> UInt32? {
        guard let number = number(of: descriptor.key, descriptor.type) else { return nil }
        lastUsed[Int(number)] = flushes
        return number
    }

    // MARK: Scrapes

    /// Adds one scrape. A scrape whose timestamp is not after the last one of its layout (the clock stepped
    /// back) is refused as a whole; of one with series that have no number, only these are.
    /// - Parameter anomalous: places in the scrape whose values detection found anomalous, ascending.
    package mutating func add(_ scrape: Scrape, from source: Source = .collectors, anomalous: [Int] = []) {
        if generations[source] != scrape.generation {
            // The handles begin anew; what layouts hold knows its numbers already.
            generations[source] = scrape.generation
            handles[source] = []
            if source == .sources { claimed = [] }
        }
        for descriptor in scrape.newDescriptors {
            let number = number(of: descriptor.key, descriptor.type)
            handles[source, default: []].append(Handle(descriptor: descriptor, number: number))
            if source == .sources, let number { claim(number) }
        }
        guard sampleCount + scrape.values.count <= Self.samplesMax else { return refuse(.full, scrape.values.count) }
        let key = LayoutKey(source: source, layout: scrape.layout)
        guard var layout = layouts.removeValue(forKey: key) ?? makeLayout(of: scrape, source) else {
            return refuse(.malformed, scrape.values.count)
        }
        defer { layouts[key] = layout }
        let timestamp = scrape.timestamp.milliseconds
        guard layout.width == scrape.values.count else { return refuse(.malformed, scrape.values.count) }
        guard layout.timestamps.last.map({ $0 < timestamp }) ?? true else {
            return refuse(.order, scrape.values.count)
        }
        for place in anomalous { layout.anomalous.insert(layout.timestamps.count * layout.width + place) }
        layout.timestamps.append(timestamp)
        layout.values.append(contentsOf: scrape.values)
        sampleCount += layout.numbers.count
        refuse(.series, layout.width - layout.numbers.count)
    }

    /// A source's series is nobody else's: samples of one series must not stand in two groups of a batch out of order.
    private mutating func claim(_ number: UInt32) {
        claimed.insert(number)
        let pending = points.removeValue(forKey: number)?.values.count ?? 0
        sampleCount -= pending
        refuse(.claimed, pending)
    }

    private mutating func makeLayout(of scrape: Scrape, _ source: Source) -> Layout? {
        let known = handles[source]?.count ?? 0
        var placed: [(number: UInt32, column: Int)] = []
        placed.reserveCapacity(scrape.handles.count)
        for (column, handle) in scrape.handles.enumerated() {
            let handle = Int(handle)
            guard handle < known, let entry = handles[source]?[handle] else { return nil }
            // One that found no room, or lost its number while nobody used it, may have one now.
            let number = entry.number ?? number(of: entry.descriptor.key, entry.descriptor.type)
            guard let number else { continue }
            if entry.number == nil {
                handles[source]?[handle].number = number
                if source == .sources { claim(number) }
            }
            placed.append((number, column))
        }
        placed.sort { $0.number < $1.number }
        return Layout(
            width: scrape.handles.count, numbers: placed.map(\.number), columns: placed.map(\.column),
            startTimestamps: scrape.startTimestamps)
    }

    // MARK: Samples with times of their own

    /// Adds one sample. Of two samples of a series at one instant the later call wins.
    /// - Returns: false when it was refused.
    package mutating func add(_ key: SeriesKey, _ type: MetricType, _ sample: Sample) -> Bool {
        guard sampleCount < Self.samplesMax else {
            refuse(.full)
            return false
        }
        guard let number = number(of: key, type) else {
            refuse(.series)
            return false
        }
        guard !claimed.contains(number) else {
            refuse(.claimed)
            return false
        }
        if Self.insert(sample, number, into: &points) { sampleCount += 1 }
        return true
    }

    /// What ``columns(of:)`` made of pushed samples.
    package struct Pushed: Sendable {
        package var batch: MetricBatch
        /// Samples of series that are a source's; they are not in the batch.
        package var claimedCount: Int
    }

    /// Pushed samples as columns of their own, without adding them to what is gathered: they are stored at once, so that
    /// whoever pushed them is told the truth.
    /// - Returns: nil when a series has no room; then nothing of it is to be taken.
    package mutating func columns(of samples: some Sequence<(descriptor: SeriesDescriptor, sample: Sample)>) -> Pushed?
    {
        var gathered: [UInt32: Points] = [:]
        var pushed = Pushed(batch: MetricBatch(), claimedCount: 0)
        for (descriptor, sample) in samples {
            guard let number = number(of: descriptor.key, descriptor.type) else {
                refuse(.series)
                return nil
            }
            if claimed.contains(number) {
                pushed.claimedCount += 1
            } else {
                _ = Self.insert(sample, number, into: &gathered)
                lastUsed[Int(number)] = flushes
            }
        }
        refuse(.claimed, pushed.claimedCount)
        pushed.batch.groups = Self.groups(of: gathered)
        return pushed
    }

    /// - Returns: whether there is one sample more; false when one of the same instant was replaced.
    private static func insert(_ sample: Sample, _ number: UInt32, into points: inout [UInt32: Points]) -> Bool {
        let timestamp = sample.timestamp.milliseconds
        var entry = points.removeValue(forKey: number) ?? Points()
        defer { points[number] = entry }
        // Almost always an append; a late sample is put where it belongs.
        var index = entry.timestamps.count
        while index > 0, entry.timestamps[index - 1] > timestamp { index -= 1 }
        if index > 0, entry.timestamps[index - 1] == timestamp {
            entry.values[index - 1] = sample.value
            return false
        }
        entry.timestamps.insert(timestamp, at: index)
        entry.values.insert(sample.value, at: index)
        return true
    }

    // MARK: Flushing

    /// Hands out everything gathered since the last call; layouts are kept for the next scrapes.
    package mutating func take() -> MetricBatch {
        flushes &+= 1
        var batch = MetricBatch()
        for (key, var layout) in layouts.sorted(by: { $0.key < $1.key }) {
            // A layout that nothing used since the last flush belongs to series that went away.
            guard !layout.timestamps.isEmpty else {
                layouts[key] = nil
                continue
            }
            if !layout.numbers.isEmpty { batch.groups.append(Self.group(of: layout)) }
            for number in layout.numbers { lastUsed[Int(number)] = flushes }
            layout.timestamps.removeAll(keepingCapacity: true)
            layout.values.removeAll(keepingCapacity: true)
            layout.anomalous.removeAll(keepingCapacity: true)
            // Columns without a series are tried again.
            layouts[key] = layout.numbers.count == layout.width ? layout : nil
        }
        for number in points.keys { lastUsed[Int(number)] = flushes }
        batch.groups.append(contentsOf: Self.groups(of: points))
        points.removeAll(keepingCapacity: true)
        sampleCount = 0
        return batch
    }

    private static func group(of layout: Layout) -> MetricBatch.Group {
        let width = layout.width
        let height = layout.timestamps.count
        var values = [Double](repeating: 0, count: layout.columns.count * height)
        var target = 0
        for column in layout.columns {
            for instant in 0..<height {
                values[target] = layout.values[instant * width + column]
                target += 1
            }
        }
        let starts = layout.startTimestamps
        let hasStarts = starts.count == width && starts.contains { $0 != 0 }
        return MetricBatch.Group(
            timestamps: layout.timestamps, series: layout.numbers, values: values,
            startTimestamps: hasStarts ? layout.columns.map { starts[$0] } : [], anomalies: anomalies(of: layout))
    }

    /// One bit per value in the group's order; none when no value is anomalous.
    private static func anomalies(of layout: Layout) -> [UInt64] {
        guard !layout.anomalous.isEmpty else { return [] }
        let height = layout.timestamps.count
        var words = [UInt64](repeating: 0, count: (layout.columns.count * height + 63) / 64)
        for (row, column) in layout.columns.enumerated() {
            for instant in 0..<height where layout.anomalous.contains(instant * layout.width + column) {
                let bit = row * height + instant
                words[bit / 64] |= 1 << UInt64(bit % 64)
            }
        }
        return words
    }

    private static func groups(of points: [UInt32: Points]) -> [MetricBatch.Group] {
        var byTimeline: [[Int64]: [UInt32]] = [:]
        for (number, entry) in points { byTimeline[entry.timestamps, default: []].append(number) }
        return byTimeline.map { timestamps, numbers in
            let series = numbers.sorted()
            return MetricBatch.Group(
                timestamps: timestamps, series: series, values: series.flatMap { points[$0]?.values ?? [] })
        }
        .sorted { ($0.series.first ?? 0, $0.timestamps.count) < ($1.series.first ?? 0, $1.timestamps.count) }
    }

    // MARK: Renewal

    /// Gives all numbers anew, without the series that nobody has used for ``idleFlushesMax`` flushes, once the registry
    /// is three quarters full and that frees a quarter of it. Numbers handed out before are void then: call it when
    /// nothing that was taken still waits to be stored.
    package mutating func renewIfWorthwhile() {
        let count = registry.descriptors.count
        guard count >= registry.capacity / 4 * 3, flushes >= nextRenewal, sampleCount == 0 else { return }
        nextRenewal = flushes &+ 60
        let used = lastUsed.indices.filter { flushes &- lastUsed[$0] < Self.idleFlushesMax }
        guard count - used.count >= max(1, registry.capacity / 4) else { return }
        var fresh = SeriesRegistry(capacity: registry.capacity)
        var renumbered: [UInt32: UInt32] = [:]
        for old in used {
            let descriptor = registry.descriptors[old]
            renumbered[UInt32(old)] = fresh.register(descriptor.key, descriptor.type)
        }
        lastUsed = used.map { lastUsed[$0] }
        registry = fresh
        claimed = Set(claimed.compactMap { renumbered[$0] })
        handles = handles.mapValues { list in
            list.map { Handle(descriptor: $0.descriptor, number: $0.number.flatMap { renumbered[$0] }) }
        }
        layouts = [:]
        renewals += 1
    }
}
