import Collectors
import Intake
package import Sources
package import Telemetry

/// Numbers the series of all sources and makes ``Scrape``s of their readings.
///
/// It outlives a source: handles are the engine's within a generation. A series belongs to the unit (one scraped target, one log,
/// StatsD) that had it first; the others' samples of it are dropped as duplicates. What a unit no longer reports gets
/// one staleness marker. Bound: ``capacity`` series; beyond it they are refused. When three quarters of the numbers are
/// given and most of them to series that nobody reports any more, all are given anew (``Scrape/generation``).
///
/// `@unchecked Sendable`: used by one thread at a time, the source thread, or the one that started it before and after.
package final class SourceLedger: @unchecked Sendable {
    package static let capacity = 20_000

    private struct Unit {
        var handles: [UInt32] = []
        var starts: [Int64] = []
        var layout: UInt64 = 0
    }
    private var numbers: [SeriesKey: UInt32] = [:]
    private var types: [MetricType] = []
    private var owners: [UInt32] = []
    /// The report that a handle was seen in last.
    private var seen: [UInt64] = []
    private var undelivered: [SeriesDescriptor] = []
    private var units: [UInt32: Unit] = [:]
    private var unitNumbers: [String: UInt32] = [:]
    private var unitCount: UInt32 = 0
    private var layouts: UInt64 = 0
    private var reports: UInt64 = 0
    private var generation: UInt64 = 0
    /// The report before which a renewal is not thought of again.
    private var nextRenewal: UInt64 = 0
    /// The last place that each source delivered.
    private var checkpoints: [String: [UInt8]] = [:]
    private let capacity: Int

    package init(capacity: Int = SourceLedger.capacity) { self.capacity = capacity }

    package var seriesCount: Int { owners.count }

    /// Newer than what the buffer knows, which commits later.
    package func checkpoint(_ key: String) -> [UInt8]? { checkpoints[key] }

    /// - Parameters:
    ///   - unit: who reports; the same name in every report.
    ///   - readings: all that the unit has now, each series once.
    ///   - deliver: hands over to the engine; false: it did not take it, and nothing is remembered of this report but
    ///     that its series are numbered.
    /// - Returns: what was dropped.
    package func report(
        _ unit: String, _ readings: [SourceReading], at timestamp: Timestamp, checkpoint: SourceCheckpoint? = nil,
        deliver: (SourceDelivery) -> Bool
    ) -> DropCounts {
        var drops = DropCounts()
        reports += 1
        renewIfWorthwhile()
        let number = unitNumbers[unit] ?? unitCount
        if unitNumbers[unit] == nil {
            unitNumbers[unit] = number
            unitCount &+= 1
        }
        var state = units[number] ?? Unit()
        var scrape = Scrape(timestamp: timestamp, intervalMilliseconds: 0)
        var points: [MetricRecord] = []
        scrape.handles.reserveCapacity(readings.count)
        scrape.values.reserveCapacity(readings.count)
        for reading in readings {
            if let time = reading.timestampMilliseconds {
                points.append(
                    MetricRecord(
                        descriptor: SeriesDescriptor(key: reading.key, type: reading.type),
                        sample: Sample(timestamp: Timestamp(milliseconds: time), value: reading.value)))
                continue
            }
            guard let handle = register(reading, owner: number) else {
                drops.add(.seriesLimit)
                continue
            }
            guard owners[Int(handle)] == number, seen[Int(handle)] != reports else {
                drops.add(.duplicate)
                continue
            }
            seen[Int(handle)] = reports
            scrape.handles.append(handle)
            scrape.values.append(reading.value)
            scrape.startTimestamps.append(reading.startMilliseconds)
        }
        let live = (handles: scrape.handles, starts: scrape.startTimestamps)
        for handle in state.handles where seen[Int(handle)] != reports {
            scrape.handles.append(handle)
            scrape.values.append(Staleness.marker)
            scrape.startTimestamps.append(0)
        }
        if scrape.handles != state.handles || scrape.startTimestamps != state.starts || state.layout == 0 {
            layouts += 1
            state.layout = layouts
        }
        scrape.layout = state.layout
        scrape.newDescriptors = undelivered
        scrape.generation = generation
        guard !(scrape.handles.isEmpty && points.isEmpty && checkpoint == nil) else { return drops }
        guard deliver(SourceDelivery(scrape: scrape, points: points, checkpoint: checkpoint)) else {
            drops.add(.queueFull, readings.count)
            return drops
        }
        undelivered = []
        if let checkpoint { checkpoints[checkpoint.key] = checkpoint.value }
        // A report with markers has a layout that never comes again.
        if live.handles.count < scrape.handles.count { state.layout = 0 }
        state.handles = live.handles
        state.starts = live.starts
        units[number] = live.handles.isEmpty ? nil : state
        return drops
    }

    private func register(_ reading: SourceReading, owner: UInt32) -> UInt32? {
        if let number = numbers[reading.key] {
            // A series that its first owner no longer reports may have another one.
            if owners[Int(number)] != owner, units[owners[Int(number)]]?.handles.contains(number) != true {
                owners[Int(number)] = owner
            }
            return number
        }
        guard owners.count < capacity else { return nil }
        let number = UInt32(owners.count)
        numbers[reading.key] = number
        types.append(reading.type)
        owners.append(owner)
        seen.append(0)
        undelivered.append(SeriesDescriptor(key: reading.key, type: reading.type))
        return number
    }

    private func renewIfWorthwhile() {
        guard owners.count >= capacity / 4 * 3 || unitNumbers.count >= capacity, reports >= nextRenewal else { return }
        unitNumbers = unitNumbers.filter { units[$0.value] != nil }
        let live = units.values.flatMap(\.handles).sorted()
        guard live.count * 2 <= owners.count else {
            nextRenewal = reports + Self.reportsBetweenRenewals
            return
        }
        var renumbered: [UInt32: UInt32] = [:]
        for (new, old) in live.enumerated() { renumbered[old] = UInt32(new) }
        var keys = [SeriesKey?](repeating: nil, count: live.count)
        numbers = numbers.compactMapValues { renumbered[$0] }
        for (key, number) in numbers { keys[Int(number)] = key }
        types = live.map { types[Int($0)] }
        owners = live.map { owners[Int($0)] }
        seen = [UInt64](repeating: 0, count: live.count)
        units = units.mapValues { unit in
            Unit(handles: unit.handles.compactMap { renumbered[$0] }, starts: unit.starts, layout: 0)
        }
        undelivered = zip(keys, types).compactMap { key, type in key.map { SeriesDescriptor(key: $0, type: type) } }
        generation += 1
    }

    private static let reportsBetweenRenewals: UInt64 = 64
}
