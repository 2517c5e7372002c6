import API
import PromQL
import Store
import Synchronization
import Telemetry

/// A tenant's store as the query engine reads it. What is known to be missing becomes warnings.
struct StoredSeries: SeriesSource {
    let store: TenantStore

    func select(_ request: SeriesRequest) throws -> any SeriesSelection {
        let range =
            Timestamp(milliseconds: request.range.lowerBound)...Timestamp(milliseconds: request.range.upperBound)
        return StoredSelection(store, store.series(request.matchers, in: range), range)
    }
}

private final class StoredSelection: SeriesSelection {
    /// Warnings about gaps; the rest is counted in the last.
    static let gapWarningsMax = 8

    private let store: TenantStore
    private let entries: [SeriesIndex.Entry]
    private let range: ClosedRange<Timestamp>
    private let damaged = Mutex(0)

    init(_ store: TenantStore, _ entries: [SeriesIndex.Entry], _ range: ClosedRange<Timestamp>) {
        self.store = store
        self.entries = entries
        self.range = range
    }

    var count: Int { entries.count }
    func labels(at position: Int) -> SeriesKey { entries[position].descriptor.key }

    func makeReader() throws -> any SampleReader { Reader(selection: self, reader: store.reader(in: range)) }

    private struct Reader: SampleReader {
        let selection: StoredSelection
        var reader: SeriesReader
        private var told = 0

        init(selection: StoredSelection, reader: SeriesReader) {
            self.selection = selection
            self.reader = reader
        }

        mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws {
            try reader.read(selection.entries[position], &buffer.timestamps, &buffer.values)
            let damaged = reader.damagedParts
            guard damaged > told else { return }
            selection.damaged.withLock { $0 += damaged - told }
            told = damaged
        }
    }

    var warnings: [String] {
        var warnings: [String] = []
        let damaged = damaged.withLock { $0 }
        if damaged > 0 { warnings.append("\(damaged) damaged parts of the store are left out of this answer") }
        let gaps = store.gaps(in: range)
        guard !gaps.isEmpty else { return warnings }
        let agents = Set(Set(entries.map(\.agent)).compactMap { store.agent($0) })
        let lost = gaps.filter { agents.contains($0.agent) && $0.count.records > 0 }
        for gap in lost.prefix(Self.gapWarningsMax) { warnings.append(Self.text(gap)) }
        if lost.count > Self.gapWarningsMax {
            warnings.append("\(lost.count - Self.gapWarningsMax) further known gaps: see /api/v1/ledger")
        }
        return warnings
    }

    private static func text(_ gap: Gap) -> String {
        let between = [gap.from, gap.through].compactMap { $0.map { TimeText.format($0) } }.joined(separator: " and ")
        return "agent \(gap.agent) lost \(gap.count.records) records"
            + (between.isEmpty ? "" : " between \(between)") + ": \(gap.reason.name)"
    }
}
