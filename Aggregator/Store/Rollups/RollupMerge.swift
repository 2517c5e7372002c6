import Compression
import Telemetry
import WireFormat

/// Puts the parts of one unit together: what a later part says of its time replaces what earlier ones said of it.
struct RollupMerge {
    private var series: [UInt32: RollupGroup.Series] = [:]
    private var covered: [ClosedRange<Int64>] = []

    /// - Parameters:
    ///   - range: the time that the part speaks of.
    ///   - cuts: times at which a series' rollups go, as far as they overlap with them.
    mutating func add(
        _ group: ChunkGroupReader, _ range: ClosedRange<Int64>, width: Int64,
        without cuts: (UInt32) -> [ClosedRange<Int64>]
    ) throws {
        if covered.contains(where: { $0.overlaps(range) }) {
            for id in series.keys { series[id]?.rollups.removeAll { range.contains($0.stamp) } }
        }
        covered.append(range)
        for id in RollupGroup.series(in: group) {
            guard var part = try RollupGroup.decode(group, id) else { continue }
            RollupMerge.cut(&part.rollups, cuts(id), width: width)
            guard var known = series.removeValue(forKey: id) else {
                series[id] = part
                continue
            }
            known.rollups += part.rollups
            known.keepsIncrease = known.keepsIncrease && part.keepsIncrease
            series[id] = known
        }
    }

    /// Takes out the rollups that stand for any time in `ranges`.
    static func cut(_ rollups: inout [Rollup], _ ranges: [ClosedRange<Int64>], width: Int64) {
        guard !ranges.isEmpty else { return }
        rollups.removeAll { rollup in
            let stretch = RollupWindow.stretch(rollup.stamp, width: width)
            return ranges.contains { $0.overlaps(stretch) }
        }
    }

    /// What is left, ascending by id, and the time that it speaks of.
    func finish() -> (series: [RollupGroup.Series], range: ClosedRange<Int64>)? {
        let kept = series.values.filter { !$0.rollups.isEmpty }.sorted { $0.id < $1.id }.map { series in
            var series = series
            series.rollups.sort { $0.stamp < $1.stamp }
            return series
        }
        guard !kept.isEmpty, let first = covered.map(\.lowerBound).min(), let last = covered.map(\.upperBound).max()
        else { return nil }
        return (kept, first...last)
    }
}
