import Telemetry

/// The series that a block's numbers mean: the concatenation of the tables that it names.
final class TableSet: Sendable {
    let hashes: [TableHash]
    /// By series number. ``SeriesID/none`` where the tenant's bound left no id.
    let ids: [SeriesID]
    /// Series numbers ordered by id, for looking up one id.
    private let order: [UInt32]

    init(hashes: [TableHash], ids: [SeriesID]) {
        self.hashes = hashes
        self.ids = ids
        order = ids.indices.map { UInt32($0) }.sorted { ids[Int($0)] < ids[Int($1)] }
    }

    /// As ``number(of:)`` for ids that mostly ascend: at once when `id` stands at `place` in the order of ids.
    /// - Parameter place: moved behind what was found.
    func number(of id: SeriesID, near place: inout Int) -> UInt32? {
        if place < order.count, ids[Int(order[place])] == id {
            place += 1
            return order[place - 1]
        }
        guard let found = position(of: id) else { return nil }
        place = found + 1
        return order[found]
    }

    /// The number of a series within the blocks that use this set. O(log series).
    func number(of id: SeriesID) -> UInt32? { position(of: id).map { order[$0] } }

    private func position(of id: SeriesID) -> Int? {
        guard let first = order.first, let last = order.last, ids[Int(first)] <= id, ids[Int(last)] >= id else {
            return nil
        }
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if ids[Int(order[middle])] < id { low = middle + 1 } else { high = middle }
        }
        return low < order.count && ids[Int(order[low])] == id ? low : nil
    }
}
