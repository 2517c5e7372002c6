import SQLite
import Telemetry
import WireFormat

/// Reads one agent's samples over head, level 0 and level 1.
///
/// The list of level-0 blocks is taken first, the chunk groups after it: a block that is merged meanwhile is then
/// found in both (and merged away by time), never in neither. Holds no lock and no transaction between calls.
///
/// Series are best asked for in the order of their ids, see ``OpenBlocks`` and ``OpenChunks``, which also state what
/// memory it takes.
final class AgentReader {
    let agent: AgentNumber
    private let range: ClosedRange<Int64>
    private let deleted: DeletionSet
    private let isPushed: Bool
    private let scope: ReadScope
    private let chunks: OpenChunks
    private var blocks = OpenBlocks(.none)
    private var hasBlocks = false
    /// What plain samples are read from instead of blocks; in a box of the reader's own, so that readers on several
    /// threads do not count references to the same memory for each series.
    private var recent: RecentBox?
    private final class RecentBox {
        let columns: RecentColumns
        init(_ columns: RecentColumns) { self.columns = columns }
    }
    private var hasNewest = false
    var damagedCount: Int { chunks.damagedCount }

    init(_ scope: ReadScope, _ agent: AgentNumber) throws {
        self.agent = agent
        self.scope = scope
        range = scope.range
        deleted = scope.deleted
        isPushed = scope.store.isPushed(agent)
        chunks = try OpenChunks(scope, agent)
    }

    /// Lists the blocks, before the chunk groups.
    private func openBlocks() throws {
        guard !hasBlocks else { return }
        blocks = OpenBlocks(try scope.blocks(of: agent))
        hasBlocks = true
        chunks.forget()
    }

    /// Takes the columns, or lists the blocks where a series has none; before the chunk groups.
    private func openColumns(for id: SeriesID) throws -> RecentBox? {
        if !hasNewest {
            if case .columns(let found) = try scope.newest(of: agent) { recent = RecentBox(found) }
            hasNewest = true
            chunks.forget()
        }
        if let recent, recent.columns.covers(id.rawValue) { return recent }
        try openBlocks()
        return nil
    }

    /// The last time that chunk groups may have a sample of, perhaps beyond the range; nil when there are none.
    func chunkEnd() throws -> Int64? { try chunks.end() }

    /// - Parameter isPlain: starts of counters and anomaly bits are not asked for.
    /// - Returns: the series' samples in range, settled; empty when there are none.
    func samples(of id: SeriesID, isPlain: Bool = false) throws -> SampleRun {
        // Columns have nothing cut out.
        let recent = isPlain && !isCut(id) ? try openColumns(for: id) : nil
        if recent == nil { try openBlocks() }
        var run = SampleRun()
        try chunks.withGroups(around: id) {
            run.removeAll()
        } each: { chunk, position, applied in
            let start = chunk.startTimestamps.isEmpty ? 0 : chunk.startTimestamps[position]
            run.append(
                chunk.timestamps(position), try chunk.values(position), start: start,
                anomalies: chunk.anomalousPositions(position),
                without: deleted.isEmpty ? [] : deleted.cuts(of: id.rawValue, applied: applied))
        }
        if let recent {
            recent.columns.append(id, in: range, to: &run)
        } else {
            appendBlocks(id, to: &run)
        }
        run.settle()
        run.clip(to: range)
        return run
    }

    private func appendBlocks(_ id: SeriesID, to run: inout SampleRun) {
        blocks.forEachPart(of: id) { part in
            let cuts = deleted.isEmpty ? [] : deleted.cuts(of: id.rawValue, block: part.block, isPushed: isPushed)
            if cuts.isEmpty {
                run.append(part.group, position: part.position, shift: part.shift)
            } else {
                run.append(part.group, position: part.position, shift: part.shift, without: cuts)
            }
        }
    }

    /// The times of the series' samples in range and which of them are anomalous, part by part; no value is decoded.
    /// Parts may overlap.
    func marks(of id: SeriesID) throws -> [JudgedTimes] {
        guard !isCut(id) else {
            let run = try samples(of: id)
            return [
                JudgedTimes(times: run.timestamps, kept: run.timestamps.indices, shift: 0, anomalies: run.anomalies)
            ]
        }
        try openBlocks()
        var parts: [JudgedTimes] = []
        try chunks.withGroups(around: id) {
            parts.removeAll(keepingCapacity: true)
        } each: { chunk, position, _ in
            let times = chunk.timestamps(position)
            let kept = range.part(of: times)
            guard !kept.isEmpty else { return }
            parts.append(
                JudgedTimes(
                    times: times, kept: kept, shift: 0,
                    anomalies: chunk.anomalousPositions(position).filter(kept.contains)))
        }
        blocks.forEachPart(of: id) { part in
            let count = part.group.timestamps.count
            let anomalies =
                part.group.anomalies.isEmpty
                ? [] : part.kept.filter { part.group.isAnomalous(part.position * count + $0) }
            parts.append(
                JudgedTimes(times: part.group.timestamps, kept: part.kept, shift: part.shift, anomalies: anomalies))
        }
        return parts
    }

    /// Appends the series' samples in range straight to the caller's columns, if its chunks, and blocks where they are
    /// read, lie in the order of time and none may be deleted.
    /// - Returns: false when they do not; then the columns are as before, and ``samples(of:)`` sorts them out.
    func append(_ id: SeriesID, _ timestamps: inout [Int64], _ values: inout [Double]) throws -> Bool {
        guard !isCut(id) else { return false }
        let recent = try openColumns(for: id)
        let base = timestamps.count
        var isOrdered = true
        try chunks.withGroups(around: id) {
            timestamps.removeLast(timestamps.count - base)
            values.removeLast(values.count - base)
            isOrdered = true
        } each: { chunk, position, _ in
            let times = chunk.timestamps(position)
            let kept = range.part(of: times)
            guard isOrdered, !kept.isEmpty else { return }
            if timestamps.count == base { reserve(chunks.activeCount * times.count, &timestamps, &values) }
            isOrdered = timestamps.count == base || times[kept.lowerBound] > timestamps[timestamps.count - 1]
            guard isOrdered else { return }
            try Self.decode(chunk, position, kept, of: times.count, into: &values)
            timestamps.append(contentsOf: times[kept])
        }
        if isOrdered, let recent {
            // Level 0 was committed after what the groups hold.
            let middle = timestamps.count
            recent.columns.append(id, in: range, &timestamps, &values)
            SortedRuns.merge(from: base, middle: middle, &timestamps, &values)
        } else if isOrdered {
            isOrdered = blocks.append(id, from: base, &timestamps, &values)
        }
        if !isOrdered {
            timestamps.removeLast(timestamps.count - base)
            values.removeLast(values.count - base)
        }
        return isOrdered
    }

    /// Makes room for about `count` more samples, so that the columns need not grow step by step.
    private func reserve(_ count: Int, _ timestamps: inout [Int64], _ values: inout [Double]) {
        let capacity = timestamps.count + min(count, Self.reservedMax)
        guard timestamps.capacity < capacity else { return }
        timestamps.reserveCapacity(capacity)
        values.reserveCapacity(capacity)
    }
    private static let reservedMax = 1 << 20

    /// Whether a deletion names the series.
    func isCut(_ id: SeriesID) -> Bool { deleted.all.contains { $0.contains(id.rawValue) } }

    /// Appends the values at `kept` of all `count`. When it throws, nothing is appended.
    private static func decode(
        _ chunk: ChunkGroupReader, _ position: Int, _ kept: Range<Int>, of count: Int, into values: inout [Double]
    ) throws {
        let place = values.count
        values.append(contentsOf: repeatElement(0, count: count))
        do {
            try values.withUnsafeMutableBufferPointer { values in
                guard let target = values.baseAddress.map({ $0 + place }) else { return }
                try chunk.read(position, into: target)
                if kept.lowerBound > 0 { target.update(from: target + kept.lowerBound, count: kept.count) }
            }
        } catch {
            values.removeLast(count)
            throw error
        }
        values.removeLast(count - kept.count)
    }

    /// The last sample in range. Of several at that time the one committed last counts, as everywhere.
    ///
    /// Chunks tell their last values and blocks from the latest on, so that it costs no decoding of a series.
    func last(of id: SeriesID) throws -> (time: Int64, value: Double)? {
        guard !isCut(id) else {
            let run = try samples(of: id)
            return run.timestamps.last.flatMap { time in run.values.last.map { (time, $0) } }
        }
        try openBlocks()
        let found = try lastInChunks(of: id)
        guard let part = blocks.last(of: id, notBefore: found?.time ?? .min), let index = part.kept.last else {
            return found
        }
        let time = part.group.timestamps[index] &+ part.shift
        return (time, part.group.values[part.position * part.group.timestamps.count + index])
    }

    /// As ``last(of:)``, for a series that no deletion names and whose last sample in blocks is known.
    /// - Parameter held: listed before any chunk group was.
    func last(
        of id: SeriesID, orHeld held: (time: Int64, value: Double)?
    ) throws -> (time: Int64, value: Double)? {
        let found = try lastInChunks(of: id)
        guard let held, held.time >= found?.time ?? .min else { return found }
        return held
    }

    private func lastInChunks(of id: SeriesID) throws -> (time: Int64, value: Double)? {
        var found: (time: Int64, value: Double)?
        try chunks.withGroups(around: id) {
            found = nil
        } each: { chunk, position, _ in
            let times = chunk.timestamps(position)
            guard let index = range.part(of: times).last, times[index] >= found?.time ?? .min else { return }
            if index == times.count - 1, let last = chunk.last(position) {
                found = (times[index], last)
            } else {
                found = (times[index], try chunk.values(position)[index])
            }
        }
        return found
    }
}

extension ClosedRange<Int64> {
    /// The indexes of ascending times that lie in the range once `shift` is added to them. O(log n).
    func part(of times: [Int64], shift: Int64 = 0) -> Range<Int> {
        times.withUnsafeBufferPointer { part(of: $0, shift: shift) }
    }

    func part(of times: UnsafeBufferPointer<Int64>, shift: Int64 = 0) -> Range<Int> {
        guard let first = times.first, let last = times.last else { return 0..<0 }
        let low = first &+ shift >= lowerBound ? 0 : Self.count(times) { $0 &+ shift < lowerBound }
        let high = last &+ shift <= upperBound ? times.count : Self.count(times) { $0 &+ shift <= upperBound }
        return low..<Swift.max(low, high)
    }

    /// How many of the first times satisfy `isBefore`, which later ones do not.
    private static func count(_ times: UnsafeBufferPointer<Int64>, _ isBefore: (Int64) -> Bool) -> Int {
        var (low, high) = (0, times.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(times[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
