import Telemetry

/// One deletion by matcher: samples of some series at some times that are gone for every reader.
///
/// What it takes out: everything in its range that was committed before it, and what agents had measured before it
/// (sample times up to ``at``) and deliver later, since whoever erases means that, too. Samples pushed afterwards
/// (remote write and the like), and those that agents measure afterwards, are new and stay.
struct Deletion: Sendable, Hashable {
    /// Ascending; a chunk group names the highest that it was written under.
    let id: Int64
    /// When it was asked for, milliseconds.
    let at: Int64
    /// Milliseconds, both ends included.
    let range: ClosedRange<Int64>
    /// Ascending. Those that came back under another id since, have both.
    var series: [UInt32]
    /// Level-0 blocks with lower ids were committed before, in the ingest file of ``generation``.
    let boundary: Int64
    let generation: [UInt8]
    /// The samples are gone from the files, too.
    var isErased = false

    func contains(_ id: UInt32) -> Bool {
        var low = 0
        var high = series.count
        while low < high {
            let middle = (low + high) / 2
            if series[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < series.count && series[low] == id
    }
}

/// The deletions of one moment. Empty almost always: then nothing of it costs anything.
struct DeletionSet: Sendable {
    /// Ascending by id.
    var all: [Deletion] = []
    /// Of the ingest file in use.
    var generation: [UInt8] = []
    var isEmpty: Bool { all.isEmpty }
    /// What is written under this set names it; 0 when there is none.
    var highest: Int64 { all.last?.id ?? 0 }

    /// The times at which a series' samples in a level-0 block are deleted.
    func cuts(of series: UInt32, block: Int64, isPushed: Bool) -> [ClosedRange<Int64>] {
        all.compactMap { deletion in
            guard let range = Self.range(of: deletion, block, isPushed, generation), deletion.contains(series) else {
                return nil
            }
            return range
        }
    }

    /// Whether a block may hold something deleted.
    func touches(block: Int64, isPushed: Bool, first: Int64, last: Int64) -> Bool {
        all.contains { deletion in
            Self.range(of: deletion, block, isPushed, generation).map { $0.overlaps(first...max(first, last)) } ?? false
        }
    }

    private static func range(
        of deletion: Deletion, _ block: Int64, _ isPushed: Bool, _ generation: [UInt8]
    ) -> ClosedRange<Int64>? {
        if deletion.generation == generation, block < deletion.boundary { return deletion.range }
        guard !isPushed, deletion.range.lowerBound <= deletion.at else { return nil }
        return deletion.range.clamped(to: deletion.range.lowerBound...deletion.at)
    }

    /// The times at which a series' samples in a chunk group are deleted.
    /// - Parameter applied: the highest deletion that the group was written under.
    func cuts(of series: UInt32, applied: Int64) -> [ClosedRange<Int64>] {
        all.compactMap { $0.id > applied && $0.contains(series) ? $0.range : nil }
    }
}
