import Compression
import RuntimeSupport
import SQLite
package import Telemetry
import WireFormat

/// Reads the rollups of series one by one, from one tier. Not thread-safe: one for each thread.
///
/// Memory: bodies of groups up to ``chunkBytesMax``.
package final class RollupReader {
    static let chunkBytesMax = 32 << 20

    private let store: TenantStore
    private let tier: RollupFiles
    private let range: ClosedRange<Int64>
    private let deleted: DeletionSet
    private let decompressor: ZstdDecompressor
    private var rows: [AgentNumber: [Place]] = [:]
    private var groups: [Key: ChunkGroupReader] = [:]
    private var groupBytes = 0
    private var damaged = Set<Key>()
    package var damagedParts: Int { damaged.count }

    private struct Key: Hashable {
        let file: Int64
        let id: Int64
    }
    private struct Place {
        let key: Key
        let row: DayFile.Row
        let applied: Int64
    }

    init(_ store: TenantStore, _ tier: RollupFiles, _ range: ClosedRange<Int64>) throws {
        self.store = store
        self.tier = tier
        self.range = range
        deleted = store.deletions.current
        decompressor = try ZstdDecompressor()
    }

    /// A series' rollups whose stamps are in range, ascending. Those of a series that an agent sends and somebody
    /// pushes count the samples of both.
    /// - Returns: `keepsIncrease` is false for gauges: then ``Rollup/increase`` and ``Rollup/first`` say nothing.
    package func rollups(of place: SeriesIndex.Place) throws -> (rollups: [Rollup], keepsIncrease: Bool) {
        var all: [Rollup] = []
        var keepsIncrease = true
        for agent in [place.agent] + store.index.sharers(of: place.id) {
            let part = try store.throwing { try rollups(of: place.id.rawValue, agent) }
            guard let part else { continue }
            keepsIncrease = keepsIncrease && part.keepsIncrease
            all = all.isEmpty ? part.rollups : Self.joined(all, part.rollups)
        }
        return (all.filter { range.contains($0.stamp) }, keepsIncrease && !all.isEmpty)
    }

    private static func joined(_ left: [Rollup], _ right: [Rollup]) -> [Rollup] {
        var byStamp = Dictionary(left.map { ($0.stamp, $0) }) { $1 }
        for rollup in right {
            if byStamp[rollup.stamp] == nil {
                byStamp[rollup.stamp] = rollup
            } else {
                byStamp[rollup.stamp]?.add(rollup)
            }
        }
        return byStamp.values.sorted { $0.stamp < $1.stamp }
    }

    private func rollups(of id: UInt32, _ agent: AgentNumber) throws -> RollupGroup.Series? {
        for _ in 0..<3 {
            var found = RollupGroup.Series(id: id, rollups: [], keepsIncrease: true)
            if try append(id, agent, to: &found) {
                guard !found.rollups.isEmpty else { return nil }
                found.rollups.sort { $0.stamp < $1.stamp }
                return found
            }
            // A group was merged away between listing and reading.
            rows[agent] = nil
        }
        return nil
    }

    /// - Returns: false when a listed group is gone.
    private func append(_ id: UInt32, _ agent: AgentNumber, to found: inout RollupGroup.Series) throws -> Bool {
        for place in try places(of: agent) {
            let row = place.row
            guard row.slice == id / UInt32(StoreLimits.chunkGroupSeriesMax), !damaged.contains(place.key) else {
                continue
            }
            // A later part replaces what earlier ones say of its time, also of series that it does not hold any more.
            if let last = found.rollups.last?.stamp, last >= row.first {
                found.rollups.removeAll { $0.stamp >= row.first && $0.stamp <= row.last }
            }
            guard row.low <= id, row.high >= id else { continue }
            guard let group = try open(place) else {
                if damaged.contains(place.key) { continue }
                return false
            }
            do {
                guard var part = try RollupGroup.decode(group, id) else { continue }
                RollupMerge.cut(
                    &part.rollups, deleted.isEmpty ? [] : deleted.cuts(of: id, applied: place.applied),
                    width: tier.tier.width)
                found.rollups += part.rollups
                found.keepsIncrease = found.keepsIncrease && part.keepsIncrease
            } catch {
                markDamaged(place.key, "\(error)")
            }
        }
        return true
    }

    private func open(_ place: Place) throws -> ChunkGroupReader? {
        if let known = groups[place.key] { return known }
        var body: [UInt8]?
        do {
            try store.onFile(tier, place.key.file, creating: false) { body = try $0.body(of: place.key.id) }
        } catch let error as SQLiteError where error.isDamage {
            damaged.insert(place.key)
            return nil
        }
        guard let body else { return nil }
        do {
            let group = try ChunkGroupReader(body, decompressor: decompressor)
            if groupBytes + body.count > Self.chunkBytesMax {
                groups.removeAll(keepingCapacity: true)
                groupBytes = 0
            }
            groups[place.key] = group
            groupBytes += body.count
            return group
        } catch {
            markDamaged(place.key, "\(error)")
            return nil
        }
    }

    private func markDamaged(_ key: Key, _ finding: String) {
        guard damaged.insert(key).inserted else { return }
        store.report(tier.files.name(key.file), "rollup group \(key.id): \(finding)", "its rollups are left out")
    }

    /// The agent's groups that may reach into the range, in the order of file and commit.
    private func places(of agent: AgentNumber) throws -> [Place] {
        if let known = rows[agent] { return known }
        var found: [Place] = []
        let days = tier.tier.daysPerFile
        let files =
            RollupTier.floor(
                CivilDay.day(of: range.lowerBound), days)...RollupTier.floor(CivilDay.day(of: range.upperBound), days)
        for key in tier.files.days(in: files) {
            do {
                try store.onFile(tier, key, creating: false) { file in
                    let marks = deleted.isEmpty ? [:] : try file.marks()
                    for row in try file.rows(of: agent)
                    where row.first <= range.upperBound && row.last >= range.lowerBound {
                        found.append(
                            Place(key: Key(file: key, id: row.id), row: row, applied: marks[row.id] ?? 0))
                    }
                }
            } catch let error as SQLiteError where error.isDamage {
                continue  // set aside and reported
            }
        }
        rows[agent] = found
        return found
    }
}

extension TenantStore {
    /// For reading many series' rollups one by one.
    /// - Parameter range: of the stamps.
    package func rollupReader(_ tier: RollupTier, in range: ClosedRange<Timestamp>) throws -> RollupReader {
        try RollupReader(
            self, rollups[tier == .fiveMinutes ? 0 : 1], range.lowerBound.milliseconds...range.upperBound.milliseconds)
    }

    /// From when on samples are kept, by retention.
    package var samplesBegin: Timestamp { Self.begin(ofDay: retentionDay) }

    /// From when on a tier is kept; nil when it is not kept at all.
    package func begin(of tier: RollupTier) -> Timestamp? {
        let days = configuration.rollupDays(tier)
        guard days > 0 else { return nil }
        return Self.begin(ofDay: CivilDay.day(of: time.now.milliseconds) &- Int64(days))
    }

    private static func begin(ofDay day: Int64) -> Timestamp {
        let (begin, isOut) = day.multipliedReportingOverflow(by: StoreLimits.dayMilliseconds)
        return isOut ? .distantPast : Timestamp(milliseconds: begin)
    }
}
