public import Telemetry

/// What an agent says of itself after each connection; it travels inside a signed record.
public struct Birth: Hashable, Sendable {
    public struct LaneState: Hashable, Sendable {
        public var laneKey: LaneKey
        /// The oldest sequence still pending; equals `next` when nothing is.
        public var oldest: UInt64
        /// The sequence that the next batch will get.
        public var next: UInt64
        /// Batches and records sequenced so far, and those dropped with a loss record.
        public var produced: LedgerCount
        public var dropped: LedgerCount
        public var pending: LedgerCount
        public init(
            laneKey: LaneKey, oldest: UInt64, next: UInt64, produced: LedgerCount, dropped: LedgerCount,
            pending: LedgerCount
        ) {
            self.laneKey = laneKey
            self.oldest = oldest
            self.next = next
            self.produced = produced
            self.dropped = dropped
            self.pending = pending
        }
    }
    /// Persisted; grows with every connection.
    public var sessionCounter: UInt64
    public var runningEpoch: EpochID
    public var lanes: [LaneState]
    public var agentVersion: String
    public var clock: ClockReading
    public var time: Timestamp
    public var runningConfigurationVersion: UInt64
    public var attemptedConfigurationVersion: UInt64
    public var keyBundleVersion: UInt64
    /// Answers an acknowledgement's challenge; zero if there was none.
    public var challenge: ID128
    /// Bytes that the buffer file holds.
    public var bufferBytes: UInt64

    public init(
        sessionCounter: UInt64, runningEpoch: EpochID, lanes: [LaneState], agentVersion: String,
        clock: ClockReading, time: Timestamp, runningConfigurationVersion: UInt64 = 0,
        attemptedConfigurationVersion: UInt64 = 0, keyBundleVersion: UInt64 = 0, challenge: ID128 = .zero,
        bufferBytes: UInt64 = 0
    ) {
        self.sessionCounter = sessionCounter
        self.runningEpoch = runningEpoch
        self.lanes = lanes
        self.agentVersion = agentVersion
        self.clock = clock
        self.time = time
        self.runningConfigurationVersion = runningConfigurationVersion
        self.attemptedConfigurationVersion = attemptedConfigurationVersion
        self.keyBundleVersion = keyBundleVersion
        self.challenge = challenge
        self.bufferBytes = bufferBytes
    }
}

/// The retained `up/state` message and last will, unsigned: a hint that the session counter orders.
public struct ConnectionState: Hashable, Sendable {
    public var isOnline: Bool
    public var sessionCounter: UInt64
    public init(isOnline: Bool, sessionCounter: UInt64) {
        self.isOnline = isOnline
        self.sessionCounter = sessionCounter
    }
}

/// The content of a `loss` batch: sequenced rows that the agent gave up.
public struct LossRecord: Hashable, Sendable {
    public var laneKey: LaneKey
    public var sequences: ClosedRange<UInt64>
    /// Batches given up within the range, which may hold settled ones between them.
    public var count: LedgerCount
    public var reason: LossReason
    public init(laneKey: LaneKey, sequences: ClosedRange<UInt64>, count: LedgerCount, reason: LossReason) {
        self.laneKey = laneKey
        self.sequences = sequences
        self.count = count
        self.reason = reason
    }
}

/// A row of the agent's buffer as the uplink plans with it; the payload stays on disk until it is published.
public struct PendingBatch: Hashable, Sendable {
    /// The buffer's row.
    public var row: Int64
    public var key: BatchKey
    public var kind: BatchKind
    public var sizeBytes: Int
    public var recordCount: UInt32
    /// When the row was stored (wall clock).
    public var storedAt: Timestamp
    public init(row: Int64, key: BatchKey, kind: BatchKind, sizeBytes: Int, recordCount: UInt32, storedAt: Timestamp) {
        self.row = row
        self.key = key
        self.kind = kind
        self.sizeBytes = sizeBytes
        self.recordCount = recordCount
        self.storedAt = storedAt
    }
}
