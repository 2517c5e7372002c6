import API
package import PromQL
package import Store
import Synchronization
import Telemetry

/// A tenant's store as the query engine reads it. What is known to be missing becomes warnings.
package struct StoredSeries: SeriesSource {
    let store: TenantStore

    package init(store: TenantStore) { self.store = store }

    package func select(_ request: SeriesRequest) throws -> any SeriesSelection {
        if let bits = try AnomalyBits(store, request) { return bits }
        let range =
            Timestamp(milliseconds: request.range.lowerBound)...Timestamp(milliseconds: request.range.upperBound)
        let places = store.index.places(of: store.index.select(request.matchers, in: range))
        let rolled = RolledPlan(store, range, request.hints)
        return StoredSelection(
            store, places, range, onlyLast: request.hints.needsOnlyLast, rolled: rolled,
            kept: KeptPlan(store, request, isRolledBefore: rolled != nil))
    }
}

private final class StoredSelection: SeriesSelection {
    /// Warnings about gaps; the rest is counted in the last.
    static let gapWarningsMax = 8

    private let store: TenantStore
    private let places: [SeriesIndex.Place]
    private let range: ClosedRange<Timestamp>
    private let onlyLast: Bool
    private let scope: ReadScope
    /// When nothing but the last sample of each series is asked for.
    private let latest: LatestSamples?
    private let damaged = Mutex(0)
    /// How rollups answer for what is not kept any more.
    private let rolled: RolledPlan?
    /// How rollups answer for what is kept.
    private let kept: KeptPlan?
    private let tiersUsed = Mutex(Set<RollupTier>())

    init(
        _ store: TenantStore, _ places: [SeriesIndex.Place], _ range: ClosedRange<Timestamp>, onlyLast: Bool,
        rolled: RolledPlan?, kept: KeptPlan?
    ) {
        self.rolled = rolled
        self.kept = kept
        self.store = store
        self.places = places
        self.range = range
        self.onlyLast = onlyLast
        let begin = rolled?.samplesBegin ?? .distantPast
        let wanted = WantedSeries(places)
        scope = store.scope(
            in: max(range.lowerBound, begin)...max(range.upperBound, begin), except: kept?.choice, of: wanted)
        latest = onlyLast && rolled == nil ? LatestSamples(scope, wanted) : nil
    }

    var count: Int { places.count }
    func labels(at position: Int) -> SeriesKey { store.index.key(places[position].id) }
    func labels(at positions: [Int], keeping names: [String]?) -> [SeriesKey] {
        store.index.keys(positions.map { places[$0].id }, keeping: names)
    }

    func makeReader() throws -> any SampleReader {
        Reader(
            selection: self, reader: scope.reader(), kept: try kept.map { try KeptReader(scope, $0) },
            rolled: try rolled.map { try RolledReader(store, $0) })
    }

    var infos: [String] {
        let tiers = tiersUsed.withLock { $0 }
        return (rolled.map { [$0.info] } ?? []) + (tiers.isEmpty ? [] : [KeptPlan.info(tiers)])
    }

    private struct Reader: SampleReader {
        let selection: StoredSelection
        var reader: SeriesReader
        let kept: KeptReader?
        let rolled: RolledReader?
        private var told = 0
        private var toldTiers = 0

        init(selection: StoredSelection, reader: SeriesReader, kept: KeptReader?, rolled: RolledReader?) {
            self.kept = kept
            self.rolled = rolled
            self.selection = selection
            self.reader = reader
        }

        mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws {
            let place = selection.places[position]
            if let rolled {
                try rolled.read(place, into: &buffer) { try readKept(place, &$0) }
            } else if selection.onlyLast {
                try reader.readLast(place, &buffer.timestamps, &buffer.values)
            } else {
                try readKept(place, &buffer)
            }
            tellDamage()
        }

        mutating func readLast(_ positions: Range<Int>, into buffer: inout SampleBuffer) throws {
            guard let latest = selection.latest else {
                return try readEach(positions, into: &buffer)
            }
            try reader.readLast(selection.places[positions], from: latest, &buffer.timestamps, &buffer.values)
            tellDamage()
        }

        private mutating func readEach(_ positions: Range<Int>, into buffer: inout SampleBuffer) throws {
            let range = selection.range.lowerBound.milliseconds...selection.range.upperBound.milliseconds
            var samples = SampleBuffer()
            for position in positions {
                samples.removeAll()
                try read(position, into: &samples)
                // A rollup may be stamped behind the end of the range.
                let last = samples.timestamps.lastIndex(where: range.contains)
                buffer.append(
                    last.map { samples.timestamps[$0] } ?? SampleBuffer.none, last.map { samples.values[$0] } ?? 0)
            }
        }

        private mutating func tellDamage() {
            let damaged = reader.damagedParts + (rolled?.damagedParts ?? 0) + (kept?.damagedParts ?? 0)
            guard damaged > told else { return }
            selection.damaged.withLock { $0 += damaged - told }
            told = damaged
        }

        private mutating func readKept(_ place: SeriesIndex.Place, _ buffer: inout SampleBuffer) throws {
            guard let kept else { return try reader.read(place, &buffer.timestamps, &buffer.values) }
            try kept.read(place, &reader, into: &buffer)
            guard kept.tiersUsed.count > toldTiers else { return }
            selection.tiersUsed.withLock { $0.formUnion(kept.tiersUsed) }
            toldTiers = kept.tiersUsed.count
        }
    }

    var warnings: [String] {
        var warnings: [String] = []
        let damaged = damaged.withLock { $0 }
        if damaged > 0 { warnings.append("\(damaged) damaged parts of the store are left out of this answer") }
        let gaps = store.gaps(in: range)
        guard !gaps.isEmpty else { return warnings }
        let agents = Set(Set(places.map(\.agent)).compactMap { store.agent($0) })
        let lost = gaps.filter { agents.contains($0.agent) && $0.count.records > 0 }
        for gap in lost.prefix(Self.gapWarningsMax) { warnings.append(Self.text(gap)) }
        if lost.count > Self.gapWarningsMax {
            warnings.append("\(lost.count - Self.gapWarningsMax) further known gaps: see /api/v1/ledger")
        }
        return warnings
    }

    private static func text(_ gap: Gap) -> String {
        let between = [gap.from, gap.through].compactMap { $0.map { InternetTime.format($0) } }.joined(
            separator: " and ")
        return "agent \(gap.agent) lost \(gap.count.records) records"
            + (between.isEmpty ? "" : " between \(between)") + ": \(gap.reason.name)"
    }
}
