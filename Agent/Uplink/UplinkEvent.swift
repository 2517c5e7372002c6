package import Telemetry
package import WireFormat

/// What the uplink is told. Times are monotonic milliseconds unless they are timestamps.
package enum UplinkEvent: Sendable {
    /// A deadline passed (``UplinkStateMachine/nextDeadline``).
    case tick
    case connected(receiveMaximum: Int, maximumPacketSizeBytes: Int)
    case connectFailed
    case disconnected
    /// The broker took a message. It proves nothing and frees no row.
    case published(ticket: UInt64)
    /// A message could not be handed to the broker, or the broker refused it.
    case publishFailed(ticket: UInt64, PublishProblem)
    /// Rows were added; `next` is the sequence that the lane's next row will get.
    case stored(LaneKey, next: UInt64)
    /// The answer to ``UplinkAction/fetch(_:)``, in the order asked for; `time` tells aged rows from fresh ones.
    /// `needs`: what the aggregator may lack to read them, which goes before them: else it asks for it, and takes later
    /// rows meanwhile.
    case fetched(UplinkFetch, rows: [PendingBatch], time: Timestamp, needs: [Auxiliary] = [])
    /// Rows that were evicted or turned into losses are not to be sent any more.
    case gone([BatchKey])
    /// A new series table or data key stands in the auxiliary store and is needed by rows to come.
    case auxiliaryStored(Auxiliary)
    /// A command result or configuration state is ready to go; the number names it to the owner.
    case resultReady(UInt64)
    /// A signature-checked acknowledgement.
    case acknowledged(Acknowledgement)
    /// A key bundle or manifest arrived and was verified.
    case bundleHeld(version: UInt64)
    case configurationReceived(version: UInt64)
    /// Say offline, then goodbye.
    case stop
}

/// A message that travels beside the sequenced rows, found again by its content.
package enum Auxiliary: Hashable, Sendable {
    case table(TableHash)
    case key(DataKeyID)
}

package enum PublishProblem: Sendable, Equatable {
    case notConnected
    /// Refused by the transport's bound or by the broker; it is sent again later.
    case refused
    /// The row or table is not in the buffer any more.
    case missing
}

/// A question to the buffer for rows to send.
package struct UplinkFetch: Hashable, Sendable {
    package enum Direction: Sendable { case oldest, newest }
    package var lane: Lane
    package var direction: Direction
    package var limit: Int
    /// Row numbers to leave out, ascending: they are on their way.
    package var excluding: [Int64]
    package init(lane: Lane, direction: Direction, limit: Int, excluding: [Int64]) {
        self.lane = lane
        self.direction = direction
        self.limit = limit
        self.excluding = excluding
    }
}
