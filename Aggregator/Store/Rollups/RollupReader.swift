import Compression
import RuntimeSupport
import SQLite
package import Telemetry
import WireFormat

/// Reads the rollups of series one by one, from one tier. Not thread-safe: one for each thread.
///
/// Memory: groups stay open up to ``bytesMax``, each with one inflated frame; beyond it they are opened for each series
/// (from ``ChunkCache`` if they still are there).
package final class RollupReader {
    static let bytesMax = 64 << 20

    private let store: TenantStore
    private let tier: RollupFiles
    private let range: ClosedRange<Int64>
    /// Taken before the lists of groups.
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
        let cacheKey: ChunkCache.Key
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
        let found = try whole(id, agent, .all)
        return found.series.rollups.isEmpty || found.isMoving ? nil : found.series
    }

    /// What a series' rollups are to somebody who wants all of them or none.
    /// - Returns: nil when some of them cannot be read.
    func complete(_ id: UInt32, _ agent: AgentNumber, _ fields: RollupGroup.Fields) throws -> RollupGroup.Series? {
        let found = try store.throwing { try whole(id, agent, fields) }
        return found.isDamaged || found.isMoving ? nil : found.series
    }

    private struct Found {
        var series: RollupGroup.Series
        /// A group that may hold rollups of it does not decode.
        var isDamaged = false
        /// In every round a listed group was merged away.
        var isMoving = false
    }

    private func whole(_ id: UInt32, _ agent: AgentNumber, _ fields: RollupGroup.Fields) throws -> Found {
        var found = Found(series: RollupGroup.Series(id: id, rollups: [], keepsIncrease: true))
        for _ in 0..<3 {
            found = Found(series: RollupGroup.Series(id: id, rollups: [], keepsIncrease: true))
            if try append(id, agent, fields, to: &found) {
                // Parts mostly follow each other.
                let stamps = found.series.rollups
                if zip(stamps, stamps.dropFirst()).contains(where: { $0.stamp > $1.stamp }) {
                    found.series.rollups.sort { $0.stamp < $1.stamp }
                }
                return found
            }
            // A group was merged away between listing and reading.
            rows[agent] = nil
        }
        found.isMoving = true
        return found
    }

    /// - Returns: false when a listed group is gone.
    private func append(
        _ id: UInt32, _ agent: AgentNumber, _ fields: RollupGroup.Fields, to found: inout Found
    ) throws -> Bool {
        for place in try places(of: agent) {
            let row = place.row
            guard row.slice == id / UInt32(StoreLimits.chunkGroupSeriesMax) else { continue }
            guard !damaged.contains(place.key) else {
                found.isDamaged = true
                continue
            }
            // A later part replaces what earlier ones say of its time, also of series that it does not hold any more.
            if let last = found.series.rollups.last?.stamp, last >= row.first {
                found.series.rollups.removeAll { $0.stamp >= row.first && $0.stamp <= row.last }
            }
            guard row.low <= id, row.high >= id else { continue }
            guard let group = try open(place) else {
                guard damaged.contains(place.key) else { return false }
                found.isDamaged = true
                continue
            }
            do {
                guard var part = try RollupGroup.decode(group, id, fields) else { continue }
                RollupMerge.cut(
                    &part.rollups, deleted.isEmpty ? [] : deleted.cuts(of: id, applied: place.applied),
                    width: tier.tier.width)
                found.series.rollups += part.rollups
                found.series.keepsIncrease = found.series.keepsIncrease && part.keepsIncrease
            } catch {
                markDamaged(place.key, "\(error)")
                found.isDamaged = true
            }
        }
        return true
    }

    private func open(_ place: Place) throws -> ChunkGroupReader? {
        if let known = groups[place.key] { return known }
        let cache = store.configuration.chunkCache
        var cached = cache[place.cacheKey]
        if cached == nil {
            var body: [UInt8]?
            do {
                try store.onFile(tier, place.key.file, creating: false) { body = try $0.body(of: place.key.id) }
            } catch let error as SQLiteError where error.isDamage {
                damaged.insert(place.key)
                return nil
            }
            guard let body else { return nil }
            do {
                let opened = CachedChunkGroup(try OpenedChunkGroup(body, decompressor: decompressor))
                cache.insert(opened, place.cacheKey)
                cached = opened
            } catch {
                markDamaged(place.key, "\(error)")
                return nil
            }
        }
        guard let cached else { return nil }
        // Series are asked for in order: the one frame that a reader keeps serves many of them.
        let group = ChunkGroupReader(cached.opened, decompressor: decompressor)
        if groupBytes + cached.opened.unreadBytes <= Self.bytesMax {
            groups[place.key] = group
            groupBytes += cached.opened.unreadBytes
        }
        return group
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
                            Place(
                                key: Key(file: key, id: row.id), row: row, applied: marks[row.id] ?? 0,
                                cacheKey: ChunkCache.Key(file: file.number, group: row.id)))
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
            self, files(of: tier), range.lowerBound.milliseconds...range.upperBound.milliseconds)
    }

    func files(of tier: RollupTier) -> RollupFiles { rollups[tier == .fiveMinutes ? 0 : 1] }

    /// From when on samples are kept, by retention.
    package var samplesBegin: Timestamp { Self.begin(ofDay: retentionDay) }

    /// Windows of level 1 that end later are not rolled up yet.
    package var rolledBefore: Timestamp { time.now.advanced(byMilliseconds: -StoreLimits.windowGraceMilliseconds) }

    /// From when on a tier is kept; nil when it is not kept at all.
    package func begin(of tier: RollupTier) -> Timestamp? {
        let days = retention.days(of: tier)
        guard days > 0 else { return nil }
        return Self.begin(ofDay: CivilDay.day(of: time.now.milliseconds) &- Int64(days))
    }

    private static func begin(ofDay day: Int64) -> Timestamp {
        let (begin, isOut) = day.multipliedReportingOverflow(by: StoreLimits.dayMilliseconds)
        return isOut ? .distantPast : Timestamp(milliseconds: begin)
    }
}
