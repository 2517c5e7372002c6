import Synchronization
import Telemetry
import WireFormat

/// The last samples of many series, found at once: level-0 blocks are looked through from the newest on, only until
/// every series that is asked for has a sample. So what is active costs some nanoseconds a series, and blocks that are
/// older than the newest samples are not decoded. Thread-safe.
package final class LatestSamples: Sendable {
    private let scope: ReadScope
    private let wanted: WantedSeries
    private let found = Mutex<[AgentNumber: AgentLatest]>([:])

    package init(_ scope: ReadScope, _ wanted: WantedSeries) {
        self.scope = scope
        self.wanted = wanted
    }

    /// An agent's; whoever asks first looks for them, others wait for that.
    func ofAgent(_ agent: AgentNumber) throws -> AgentLatest {
        try found.withLock { found in
            if let known = found[agent] { return known }
            let latest = try AgentLatest(scope.store, agent, scope.range, wanted.ids(of: agent))
            found[agent] = latest
            return latest
        }
    }
}

/// The last samples that one agent's level-0 blocks hold, 28 B for each series asked for.
final class AgentLatest: Sendable {
    /// Ascending.
    let ids: [UInt32]
    /// Milliseconds; `.min` where no block has a sample in range.
    let times: [Int64]
    let values: [Double]

    init(_ store: TenantStore, _ agent: AgentNumber, _ range: ClosedRange<Int64>, _ ids: [UInt32]) throws {
        var search = LatestSearch(range, ids)
        // Those that reach furthest first; of equal ones the one committed last.
        let blocks = store.head.blocks(of: agent)
            .filter { $0.first <= range.upperBound && $0.last >= range.lowerBound }
            .sorted { (min($0.last, range.upperBound), $0.id) > (min($1.last, range.upperBound), $1.id) }
        for block in blocks {
            if search.isComplete(before: min(block.last, range.upperBound)) { break }
            // What was merged meanwhile is found in the chunks, which are listed later.
            guard let (tables, samples) = try store.decoded(block, of: agent) else { continue }
            search.add(samples, tables.ids, block: block.id, shift: block.shift)
        }
        self.ids = ids
        (times, values) = (search.times, search.values)
    }

    /// Where a series stands.
    /// - Parameter guess: found at once there.
    func position(of id: UInt32, near guess: Int) -> Int? { LatestSearch.position(of: id, in: ids, near: guess) }
}

private struct LatestSearch {
    private let range: ClosedRange<Int64>
    private let ids: [UInt32]
    private(set) var times: [Int64]
    private(set) var values: [Double]
    /// Where each sample came from.
    private var blocks: [Int64]
    private var missing: Int
    /// The earliest of all times, once none is missing and as long as none has changed since.
    private var earliest: Int64?

    init(_ range: ClosedRange<Int64>, _ ids: [UInt32]) {
        self.range = range
        self.ids = ids
        missing = ids.count
        times = Array(repeating: .min, count: ids.count)
        values = Array(repeating: 0, count: ids.count)
        blocks = Array(repeating: .min, count: ids.count)
    }

    static func position(of id: UInt32, in ids: [UInt32], near guess: Int) -> Int? {
        if guess < ids.count, ids[guess] == id { return guess }
        var (low, high) = (0, ids.count)
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < ids.count && ids[low] == id ? low : nil
    }

    /// Whether blocks that reach no further than `end` cannot change anything, given that they follow in order.
    mutating func isComplete(before end: Int64) -> Bool {
        guard missing == 0 else { return false }
        let earliest = earliest ?? times.min() ?? .max
        self.earliest = earliest
        return end < earliest
    }

    mutating func add(_ samples: MetricBatch, _ tableIDs: [SeriesID], block: Int64, shift: Int64) {
        earliest = nil
        // Of several samples at one time the one that stands last counts.
        for group in samples.groups.reversed() {
            guard let last = range.part(of: group.timestamps, shift: shift).last else { continue }
            add(group, last, group.timestamps[last] &+ shift, tableIDs, block)
        }
    }

    private mutating func add(
        _ group: MetricBatch.Group, _ last: Int, _ time: Int64, _ tableIDs: [SeriesID], _ block: Int64
    ) {
        let count = group.timestamps.count
        var next = 0
        for (row, number) in group.series.enumerated() where Int(number) < tableIDs.count {
            let id = tableIDs[Int(number)].rawValue
            guard let place = Self.position(of: id, in: ids, near: next) else { continue }
            next = place + 1
            let before = times[place]
            guard time > before || (time == before && block > blocks[place]) else { continue }
            if before == .min { missing -= 1 }
            times[place] = time
            values[place] = group.values[row * count + last]
            blocks[place] = block
        }
    }
}
