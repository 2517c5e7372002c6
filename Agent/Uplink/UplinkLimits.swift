/// Bounds of the uplink, and what happens at each.
package enum UplinkLimits {
    /// Messages published and not yet taken by the broker; the broker's Receive Maximum may lower it.
    package static let inFlightMax = 32
    /// Of the packet around a payload, subtracted from the broker's Maximum Packet Size.
    package static let packetOverheadBytes = 1024
    /// A broker whose packets hold less than a usual batch is left again: losing rows to it would be worse.
    package static let packetBytesMin = 64 * 1024 + packetOverheadBytes
    /// Unacknowledged bytes until the aggregator says another bound.
    package static let initialCreditBytes: UInt64 = 256 * 1024
    /// A larger credit is cut to this, so that rows in flight stay bounded.
    package static let creditBytesMax: UInt64 = 16 * 1024 * 1024
    /// The alert lane's own; one larger batch may go when none is unacknowledged.
    package static let alertCreditBytes = 64 * 1024
    /// A batch that the credit can never hold may go this often.
    package static let trickleMilliseconds: Int64 = 30_000
    /// Rows sent and not settled, for each lane; beyond it none is fetched.
    package static let unacknowledgedRowsMax = 256
    /// Rows asked of the buffer at once.
    package static let fetchRowsMax = 16
    /// Births, states, tables, keys and results that wait for a slot; more are left to be asked for.
    package static let controlQueueMax = 256
    /// Stored longer ago than this, a live row goes to the backfill topic.
    package static let agedMilliseconds: Int64 = 60_000
    /// An acknowledgement that settles others shows after this long that a batch got lost.
    package static let passedOverMilliseconds: Int64 = 10_000
    /// A broker that takes nothing for this long is left and tried anew.
    package static let stalledMilliseconds: Int64 = 60_000
    /// From the wish to connect to CONNACK, name look-up included.
    package static let connectMilliseconds: Int64 = 30_000
    package static let flushMillisecondsMin: UInt32 = 200
    package static let flushMillisecondsMax: UInt32 = 60_000
    package static let birthJitterMilliseconds: Int64 = 10_000
    package static let challengeJitterMilliseconds: Int64 = 2000
    /// The same table or key is not sent again within this time.
    package static let auxiliaryRepeatMilliseconds: Int64 = 5000
    package static let keysWithheldMilliseconds: Int64 = 3_600_000
    package static let configurationWithheldMilliseconds: Int64 = 600_000
    /// Aggregators whose highest counter is kept; the oldest is forgotten.
    package static let aggregatorsMax = 16
    /// Connection attempts are uniform in a window that does not grow: a thousand agents come back at 50/s
    /// whenever the broker does. A window that doubles bunches them (simulated: five times the mean).
    package static let connectWindowMilliseconds: Int64 = 20_000
    package static let connectFloorMilliseconds: Int64 = 500
    package static let resendBaseMilliseconds: Int64 = 10_000
    package static let resendCapMilliseconds: Int64 = 300_000
}
