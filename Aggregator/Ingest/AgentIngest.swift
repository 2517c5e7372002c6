import Telemetry
import WireFormat

/// One agent within ``TenantIngest``. A reference, so that a message costs one look-up; the tenant's writer only.
final class AgentIngest {
    var lanes: [LaneKey: LaneIngest] = [:]
    /// Tables that are stored or in a commit to come; at most ``IngestLimits/tablesPerAgentMax``.
    private(set) var tables: [TableHash: KnownTable] = [:]
    var fleet: FleetState
    var isFleetDirty = true
    /// When `lastSeenAt` was last written: it alone is worth a row only now and then.
    var seenWrittenAt = Timestamp.distantPast

    // Acknowledgements.
    /// When the next one is to be made at the latest; nil: nothing to say.
    var acknowledgementDueAt: Timestamp?
    /// Counters below this are durable reserve.
    var durableReserve: UInt64 = 0
    var nextCounter: UInt64 = 0
    var rejections: [Acknowledgement.Rejection] = []
    /// Final rejections that wait for their commit.
    var uncommittedRejections: [Acknowledgement.Rejection] = []
    var wantedTables = RequestThrottle<TableHash>()
    var wantedKeys = RequestThrottle<DataKeyID>()
    var desiredConfigurationVersion: UInt64 = 0
    /// When the newest manifest report was made.
    var lastReportAt = Timestamp.distantPast
    var flushIntervalMilliseconds: UInt32 = 0

    // Births.
    /// Batches come of an epoch that no birth has named: its birth got lost, and it takes no control from us.
    var isBirthMissing = false
    var birthRequestedAt = Timestamp.distantPast
    var challenge: Challenge?
    /// When the birth of an epoch was first seen by this process; the last ones only.
    var epochFirstSeen: [EpochID: Timestamp] = [:]
    /// Epochs that may be running: their birth came, or they were taken over from, at that time.
    var suspects: [EpochID: Timestamp] = [:]
    /// Epochs that signed a challenge: when, and when that challenge had been issued.
    var answers: [EpochID: (at: Timestamp, issuedAt: Timestamp)] = [:]

    // Connection state.
    var offlineAt: Timestamp?
    /// A state of a session whose birth has not come yet.
    var earlyState: ConnectionState?

    // Clocks.
    var quarantinedBoots = Set<ID128>()
    /// A moment at which our own clock bore out the wall clock of this boot, synchronised or not.
    var measured: (boot: ID128, monotonicNanoseconds: UInt64, wall: Timestamp)?
    var referencedBoot: ID128?

    struct KnownTable {
        var seriesCount: UInt32
        /// Orders tables by when a block last named them.
        var namedAt: UInt64
    }
    private var namings: UInt64 = 0

    /// A table is here. At the bound the one named longest ago is forgotten; the agent is asked for it should a block
    /// name it again.
    func learn(_ hash: TableHash, _ seriesCount: UInt32) {
        if tables.count >= IngestLimits.tablesPerAgentMax, tables[hash] == nil,
            let oldest = tables.min(by: { $0.value.namedAt < $1.value.namedAt })
        {
            tables[oldest.key] = nil
        }
        namings += 1
        tables[hash] = KnownTable(seriesCount: seriesCount, namedAt: namings)
    }

    /// Series counts of the tables that a block names.
    func name(_ hashes: [TableHash]) -> [UInt32] {
        namings += 1
        return hashes.compactMap { hash in
            tables[hash]?.namedAt = namings
            return tables[hash]?.seriesCount
        }
    }

    struct Challenge {
        var value: ID128
        var issuedAt: Timestamp
        var requests: Int
        /// The highest settled sequence of each lane when it was issued.
        var settled: [LaneKey: UInt64]
    }
    static let epochsRememberedMax = 16
    static let rejectionsMax = 256
    static let quarantinedBootsMax = 16

    init(fleet: FleetState) { self.fleet = fleet }

    func isChallengeFresh(_ now: Timestamp) -> Bool {
        guard let challenge else { return false }
        return now.milliseconds(since: challenge.issuedAt) <= IngestLimits.challengeMillisecondsMax
    }

    func acknowledge(by time: Timestamp) { acknowledgementDueAt = min(acknowledgementDueAt ?? time, time) }
}

/// Asks for each thing at most once per ``IngestLimits/requestMillisecondsMin``, for a bounded number of things.
struct RequestThrottle<ID: Hashable & Sendable>: Sendable {
    /// Beyond it the thing asked for longest ago is forgotten (and may be asked for early).
    static var rememberedMax: Int { 128 }
    private var wanted: [ID] = []
    private var askedAt: [ID: Timestamp] = [:]

    var hasWanted: Bool { !wanted.isEmpty }

    /// - Returns: whether it will be asked for in the next acknowledgement.
    mutating func want(_ id: ID, now: Timestamp) -> Bool {
        if let asked = askedAt[id] {
            if now.milliseconds(since: asked) < IngestLimits.requestMillisecondsMin, asked <= now { return false }
            askedAt[id] = nil
        }
        if wanted.contains(id) { return true }
        guard wanted.count < Self.rememberedMax else { return false }
        wanted.append(id)
        return true
    }

    mutating func satisfied(_ id: ID) {
        wanted.removeAll { $0 == id }
        askedAt[id] = nil
    }

    /// What to put into the acknowledgement made now.
    mutating func take(max: Int, now: Timestamp) -> [ID] {
        let taken = Array(wanted.prefix(max))
        wanted.removeFirst(taken.count)
        for id in taken {
            if askedAt.count >= Self.rememberedMax, let oldest = askedAt.min(by: { $0.value < $1.value }) {
                askedAt[oldest.key] = nil
            }
            askedAt[id] = now
        }
        return taken
    }
}
