import Telemetry

/// One (epoch, lane) of an agent: what is received, what of it is durable, what to acknowledge. A reference, so
/// that a batch changes it in place; the tenant's writer only.
final class LaneIngest {
    /// Everything received, the part that is not yet on disk included.
    var state: DedupState
    /// Of `state.settled`, what a finished commit has made durable: all that may be acknowledged.
    var durable = SequenceSet()
    /// `state` has changed since it last went into a commit.
    var isDirty = false
    /// There is something to acknowledge: a commit was finished, or a duplicate came.
    var hasNews = false
    /// Sequences that came lately, whose ranges are acknowledged first. Only a hint.
    private(set) var touched: [UInt64] = []
    /// Orders lanes by when they were last touched.
    private(set) var touchOrder: UInt64 = 0
    static let touchedMax = 128

    init(state: DedupState) { self.state = state }

    func touch(_ sequence: UInt64, order: UInt64) {
        if touched.count < Self.touchedMax { touched.append(sequence) }
        touchOrder = order
    }

    /// At most `max` of the durable ranges: those that were touched, then the lowest; ascending.
    func ranges(max: Int) -> [ClosedRange<UInt64>] {
        let all = durable.ranges
        guard all.count > max else { return all }
        var chosen = Set<Int>()
        for sequence in touched.reversed() where chosen.count < max && sequence > durable.contiguous {
            let index = durable.rangeIndex(endingAtOrAfter: sequence)
            if index < all.count, all[index].contains(sequence) { chosen.insert(index) }
        }
        var next = 0
        while chosen.count < max {
            chosen.insert(next)
            next += 1
        }
        return chosen.sorted().map { all[$0] }
    }

    /// The news are told. Sequences that wait for their commit stay in mind.
    func acknowledged() {
        hasNews = false
        touched.removeAll { durable.contains($0) }
    }
}
