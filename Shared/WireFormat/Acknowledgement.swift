public import Telemetry

/// What the aggregator says back; it travels inside a signed record. Only this frees rows.
public struct Acknowledgement: Hashable, Sendable {
    /// What is settled in one (epoch, lane): everything up to `contiguous`, and the ranges above it.
    /// Settled means committed, finally rejected or declared lost.
    public struct Settled: Hashable, Sendable {
        public var laneKey: LaneKey
        public var contiguous: UInt64
        /// Above `contiguous`, ascending, disjoint.
        public var ranges: [ClosedRange<UInt64>]
        public init(laneKey: LaneKey, contiguous: UInt64, ranges: [ClosedRange<UInt64>] = []) {
            self.laneKey = laneKey
            self.contiguous = contiguous
            self.ranges = ranges
        }
    }
    public struct Rejection: Hashable, Sendable {
        public var key: BatchKey
        public var code: RejectionCode
        /// A final rejection parks the row; otherwise it is to be sent again later.
        public var isFinal: Bool
        public init(key: BatchKey, code: RejectionCode, isFinal: Bool) {
            self.key = key
            self.code = code
            self.isFinal = isFinal
        }
    }

    /// Grows with every acknowledgement of this aggregator to this agent; a lower one is a replay.
    public var counter: UInt64
    /// The epoch that the agent's last birth named as running; zero if none is known.
    public var runningEpoch: EpochID
    public var aggregatorID: ID128
    public var settled: [Settled]
    public var rejections: [Rejection]
    public var needsTables: [TableHash]
    public var needsKeys: [DataKeyID]
    public var needsBirth: Bool
    public var desiredConfigurationVersion: UInt64
    public var keyBundleVersion: UInt64
    public var time: Timestamp
    /// How often the agent shall flush; 0 means its own default.
    public var flushIntervalMilliseconds: UInt32
    /// Bound on unacknowledged bytes in flight (alert lane not counted).
    public var creditBytes: UInt64
    /// Sixteen random bytes that the next birth signs (clone detection); zero if none.
    public var challenge: ID128

    public init(
        counter: UInt64, runningEpoch: EpochID, aggregatorID: ID128, settled: [Settled] = [],
        rejections: [Rejection] = [], needsTables: [TableHash] = [], needsKeys: [DataKeyID] = [],
        needsBirth: Bool = false, desiredConfigurationVersion: UInt64 = 0, keyBundleVersion: UInt64 = 0,
        time: Timestamp, flushIntervalMilliseconds: UInt32 = 0, creditBytes: UInt64, challenge: ID128 = .zero
    ) {
        self.counter = counter
        self.runningEpoch = runningEpoch
        self.aggregatorID = aggregatorID
        self.settled = settled
        self.rejections = rejections
        self.needsTables = needsTables
        self.needsKeys = needsKeys
        self.needsBirth = needsBirth
        self.desiredConfigurationVersion = desiredConfigurationVersion
        self.keyBundleVersion = keyBundleVersion
        self.time = time
        self.flushIntervalMilliseconds = flushIntervalMilliseconds
        self.creditBytes = creditBytes
        self.challenge = challenge
    }
}
