/// A sequenced stream of batches. `backfill` is a delivery topic only; batches keep their origin lane.
public enum Lane: UInt8, Sendable, CaseIterable, Comparable {
    case alert = 1, live = 2
    public static func < (left: Lane, right: Lane) -> Bool { left.rawValue < right.rawValue }
    public var name: String { self == .alert ? "alert" : "live" }
}

/// What a batch carries. Tables and keys are content-addressed and carry no sequence (it is 0).
public enum BatchKind: UInt8, Sendable, CaseIterable {
    case metrics = 1, table = 2, events = 3, findings = 4, key = 5, loss = 6, metadata = 7
    /// Whether such batches count in the ledger.
    public var isSequenced: Bool { self != .table && self != .key }
    /// Whether a relay may hand such batches on, of others.
    public var isHandedOn: Bool { self != .table && self != .key && self != .loss }
    public var name: String {
        switch self {
        case .metrics: "metrics"
        case .table: "table"
        case .events: "events"
        case .findings: "findings"
        case .key: "key"
        case .loss: "loss"
        case .metadata: "metadata"
        }
    }
}

/// A lane of one start of an agent: what sequences and ledgers are kept by.
public struct LaneKey: Hashable, Comparable, Sendable {
    public var epoch: EpochID
    public var lane: Lane
    @inlinable public init(epoch: EpochID, lane: Lane) {
        self.epoch = epoch
        self.lane = lane
    }
    public static func < (left: LaneKey, right: LaneKey) -> Bool {
        left.epoch == right.epoch ? left.lane < right.lane : left.epoch < right.epoch
    }
}

/// Identifies a batch within an agent. Sequences start at 1 in each (epoch, lane).
public struct BatchKey: Hashable, Comparable, Sendable {
    public var epoch: EpochID
    public var lane: Lane
    public var sequence: UInt64
    @inlinable public init(epoch: EpochID, lane: Lane, sequence: UInt64) {
        self.epoch = epoch
        self.lane = lane
        self.sequence = sequence
    }
    public var laneKey: LaneKey { LaneKey(epoch: epoch, lane: lane) }
    public static func < (left: BatchKey, right: BatchKey) -> Bool {
        left.laneKey == right.laneKey ? left.sequence < right.sequence : left.laneKey < right.laneKey
    }
}

/// What is known of the clock that stamped a batch.
public struct ClockReading: Hashable, Sendable {
    public var isSynchronized: Bool
    /// The kernel's bound on the clock's error (adjtimex `maxerror`), milliseconds, saturated.
    public var errorBoundMilliseconds: UInt32
    public var bootID: ID128
    /// CLOCK_BOOTTIME at sealing, nanoseconds.
    public var monotonicNanoseconds: UInt64
    public init(isSynchronized: Bool, errorBoundMilliseconds: UInt32, bootID: ID128, monotonicNanoseconds: UInt64) {
        self.isSynchronized = isSynchronized
        self.errorBoundMilliseconds = errorBoundMilliseconds
        self.bootID = bootID
        self.monotonicNanoseconds = monotonicNanoseconds
    }
}

/// Why an agent gave up rows that it had sequenced. Each drop is counted and told to the aggregator.
public enum LossReason: UInt8, Sendable, CaseIterable {
    case bufferFull = 1  // the byte cap: oldest live rows first, then oldest alert rows
    case tooLarge = 2  // a row over the batch limit
    case tableLost = 3  // the series table that a row names is gone
    case keyExpired = 4  // the row's key can no longer be opened by the aggregator
    case damaged = 5  // the row's checksum does not match, or the buffer was set aside
    case diskFull = 6
    public var name: String {
        switch self {
        case .bufferFull: "buffer-full"
        case .tooLarge: "too-large"
        case .tableLost: "table-lost"
        case .keyExpired: "key-expired"
        case .damaged: "damaged"
        case .diskFull: "disk-full"
        }
    }
}

/// Why the aggregator refused a batch.
public enum RejectionCode: UInt8, Sendable, CaseIterable {
    case malformed = 1  // header or body does not decode
    case notAuthentic = 2  // the seal does not open
    case unknownAgent = 3  // no valid certificate
    case tooOld = 4  // beyond retention
    case tooLarge = 5
    case keyDestroyed = 6
    case limit = 7  // a tenant's bound (series, labels)
    case epochClosed = 8
    public var name: String {
        switch self {
        case .malformed: "malformed"
        case .notAuthentic: "not-authentic"
        case .unknownAgent: "unknown-agent"
        case .tooOld: "too-old"
        case .tooLarge: "too-large"
        case .keyDestroyed: "key-destroyed"
        case .limit: "limit"
        case .epochClosed: "epoch-closed"
        }
    }
}

/// Batches and records, counted together wherever the ledger counts.
public struct LedgerCount: Hashable, Sendable {
    public var batches: UInt64
    public var records: UInt64
    @inlinable public init(batches: UInt64 = 0, records: UInt64 = 0) {
        self.batches = batches
        self.records = records
    }
    @inlinable public static func + (left: Self, right: Self) -> Self {
        Self(batches: left.batches &+ right.batches, records: left.records &+ right.records)
    }
    @inlinable public static func += (left: inout Self, right: Self) { left = left + right }
}
