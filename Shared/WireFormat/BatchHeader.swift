public import Telemetry

/// The clear part of a batch; all of it is authenticated. Layout in FORMAT.md.
public struct BatchHeader: Hashable, Sendable {
    public var kind: BatchKind
    /// The origin lane, also when delivered on the backfill topic.
    public var lane: Lane
    public var flags: Flags
    public var agent: AgentID
    public var epoch: EpochID
    /// From 1 in each (epoch, lane); 0 for tables and keys.
    public var sequence: UInt64
    public var dataKeyID: DataKeyID
    public var firstTimestamp: Timestamp
    public var lastTimestamp: Timestamp
    public var recordCount: UInt32
    public var clock: ClockReading
    /// Twenty-four bytes, random for each sealing.
    public var nonce: [UInt8]

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Sealed with a bundle key that was past its use-until.
        public static let staleKey = Flags(rawValue: 1)
        /// What a relay hands on, of others: its times are of other clocks than the header's.
        public static let relayed = Flags(rawValue: 4)
        static let all: Flags = [.staleKey, .relayed]
    }

    public init(
        kind: BatchKind, lane: Lane, flags: Flags = [], agent: AgentID, epoch: EpochID, sequence: UInt64,
        dataKeyID: DataKeyID, firstTimestamp: Timestamp, lastTimestamp: Timestamp, recordCount: UInt32,
        clock: ClockReading, nonce: [UInt8]
    ) {
        self.kind = kind
        self.lane = lane
        self.flags = flags
        self.agent = agent
        self.epoch = epoch
        self.sequence = sequence
        self.dataKeyID = dataKeyID
        self.firstTimestamp = firstTimestamp
        self.lastTimestamp = lastTimestamp
        self.recordCount = recordCount
        self.clock = clock
        self.nonce = nonce
    }
    public var key: BatchKey { BatchKey(epoch: epoch, lane: lane, sequence: sequence) }
}

/// Bounds of the protocol.
public enum WireLimits {
    /// A whole PUBLISH payload.
    public static let batchBytesMax = 256 * 1024
    /// After decompression.
    public static let bodyBytesMax = 4 * 1024 * 1024
    public static let acknowledgedRangesMax = 64
    public static let recordBytesMax = 64 * 1024
    /// Times of samples and batches, ms since 1970: some 71,000 years either way. Differences of such times never
    /// overflow, nor do they lose precision as float64.
    public static let times: ClosedRange<Int64> = -(1 << 51)...(1 << 51)
}
