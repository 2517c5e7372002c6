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

    /// The number of a series within the blocks that use this set. O(log series).
    func number(of id: SeriesID) -> UInt32? {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if ids[Int(order[middle])] < id { low = middle + 1 } else { high = middle }
        }
        return low < order.count && ids[Int(order[low])] == id ? order[low] : nil
    }
}
