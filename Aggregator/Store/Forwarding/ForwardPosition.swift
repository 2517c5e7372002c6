/// A place in the order in which a tenant's samples were committed: before sample number `sample` of a level-0 block,
/// in the block's own order (group by group, series by series, time by time).
package struct ForwardPosition: Hashable, Sendable, Comparable {
    package var block: Int64
    package var sample: Int

    package init(block: Int64, sample: Int = 0) {
        self.block = block
        self.sample = sample
    }

    package static func < (left: Self, right: Self) -> Bool { (left.block, left.sample) < (right.block, right.sample) }
}

/// How far a tenant's samples were handed on, durable in `forward.sqlite`.
package struct ForwardState: Hashable, Sendable {
    /// Everything before it has been answered.
    package var next: ForwardPosition
    /// The end of what may be on its way: after a crash exactly this is sent again, so that a receiver that refuses
    /// repetitions refuses nothing new with them. nil: nothing is.
    package var sending: ForwardPosition?

    package init(next: ForwardPosition, sending: ForwardPosition? = nil) {
        self.next = next
        self.sending = sending
    }
}

/// Samples, events and findings that will not be handed on, by the reason.
package enum ForwardLoss: String, Sendable, CaseIterable {
    /// Deleted by matcher before their turn.
    case deleted
    /// Older than the retention when their turn came.
    case retention
    /// The backlog had no room.
    case backlogFull = "backlog-full"
    /// Their block does not decode.
    case damaged
    /// Their series are not known any more.
    case unknownSeries = "unknown-series"
    /// They came over as many relays as a finding may.
    case relays
}

/// Samples to hand on, series by series.
package struct ForwardBatch: Sendable {
    package struct Series: Sendable {
        package let id: SeriesID
        /// Milliseconds, strictly ascending.
        package var timestamps: [Int64]
        package var values: [Double]
    }
    /// Ascending by id, so that those of one agent mostly stand together.
    package internal(set) var series: [Series] = []
    package internal(set) var sampleCount = 0
    /// Behind the last sample that was looked at.
    package internal(set) var end: ForwardPosition
    package internal(set) var losses: [ForwardLoss: Int] = [:]

    init(end: ForwardPosition) { self.end = end }
}
