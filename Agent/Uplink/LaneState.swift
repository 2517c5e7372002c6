import Telemetry

/// What is known of a lane's rows in the buffer.
struct LaneState {
    /// Every pending row is on its way, as far as the last answer told.
    var isDrained = false
    /// The next row does not fit the credit.
    var isBlocked = false
    /// Of these, it never will: it goes by the trickle.
    var isTrickling = false
    var isFetching = false
    /// The lane's oldest pending row, as far as known.
    var oldest: BatchKey?

    mutating func rowsArrived() {
        isDrained = false
        isBlocked = false
    }
    mutating func creditFreed() {
        isBlocked = false
        isTrickling = false
    }
    mutating func block(trickles: Bool) {
        isBlocked = true
        isTrickling = trickles
    }
}

/// One state for each lane, so that neither waits for the other.
struct LaneStates {
    var alert = LaneState()
    var live = LaneState()

    subscript(lane: Lane) -> LaneState {
        get { lane == .alert ? alert : live }
        set { if lane == .alert { alert = newValue } else { live = newValue } }
    }
}

/// The aggregator's bound on unacknowledged bytes of the live lane.
struct Credit {
    private(set) var bytes = Int(UplinkLimits.initialCreditBytes)
    /// When the next batch beyond the credit may go.
    private(set) var trickleAt: Int64 = .min

    /// Until the first acknowledgement of a connection nobody vouches for more than the initial credit.
    mutating func connected() { bytes = min(bytes, Int(UplinkLimits.initialCreditBytes)) }
    mutating func granted(_ granted: UInt64) { bytes = Int(min(granted, UplinkLimits.creditBytesMax)) }
    mutating func trickled(now: Int64) { trickleAt = now + UplinkLimits.trickleMilliseconds }

    /// Aged rows leave a quarter to fresh ones.
    var agedBytes: Int { bytes - bytes / 4 }
}
