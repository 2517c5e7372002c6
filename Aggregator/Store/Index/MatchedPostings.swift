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

    private func walk(_ ids: [UInt32], keepsFound: Bool) -> [UInt32] {
        let sorted = union()
        var result: [UInt32] = []
        var index = 0
        for id in ids {
            while index < sorted.count, sorted[index] < id { index += 1 }
            if (index < sorted.count && sorted[index] == id) == keepsFound { result.append(id) }
        }
        return result
    }
}
