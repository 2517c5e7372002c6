/// The series that one matcher selects, or, negated, those that it rules out: ascending lists per value.
struct MatchedPostings: Sendable {
    let lists: [[UInt32]]
    let isNegated: Bool

    var sizeEstimate: Int { lists.reduce(0) { $0 + $1.count } }

    func union() -> [UInt32] {
        if lists.count == 1 { return lists[0] }
        // A series has one value per label, so the lists are disjoint.
        var all: [UInt32] = []
        all.reserveCapacity(sizeEstimate)
        for list in lists { all.append(contentsOf: list) }
        all.sort()
        return all
    }

    func intersected(with ids: [UInt32]) -> [UInt32] { walk(ids, keepsFound: true) }
    func removed(from ids: [UInt32]) -> [UInt32] { lists.isEmpty ? ids : walk(ids, keepsFound: false) }

    /// The first place from `start` on whose id is not below `id`.
    private static func place(of id: UInt32, in sorted: [UInt32], from start: Int) -> Int {
        var (low, high) = (start, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func walk(_ ids: [UInt32], keepsFound: Bool) -> [UInt32] {
        let sorted = union()
        var result: [UInt32] = []
        var index = 0
        // Few among many are looked up, not met on the way.
        let isLookedUp = sorted.count / 16 > ids.count
        for id in ids {
            if isLookedUp { index = Self.place(of: id, in: sorted, from: index) }
            while index < sorted.count, sorted[index] < id { index += 1 }
            if (index < sorted.count && sorted[index] == id) == keepsFound { result.append(id) }
        }
        return result
    }
}
