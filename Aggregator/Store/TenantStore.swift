import Ingest
package import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry
import WireFormat

/// All that one tenant has stored: its directory, its files, its head.
///
/// Threads: one at a time for ``commit(_:)`` (the tenant's writer), one at a time for ``compactStep(budgetSamples:)``
/// and ``maintain()`` (the maintenance thread), any number for reading. They may all be one thread.
///
/// What holds after a crash at any instruction: a commit is there as a whole or not at all (one transaction of
/// `ingest.sqlite`); a level-0 row that was merged into chunks or moved to the events is found there exactly once,
/// since the receiving file notes in the same transaction which rows it holds.
///
/// Samples of one series at one time: equal values are one sample; of different values the one whose batch was
/// committed last stays.
package final class TenantStore: Sendable {
    package let tenant: TenantID
    package let directory: String
    package let configuration: StoreConfiguration
    package let index: SeriesIndex
    let time: any TimeSource
    let metrics: OwnMetrics
    let agentLabels: (@Sendable (AgentID) -> AgentLabels)?
    let indexFile: IndexFile
    let ingest: GuardedDatabase
    let ingestReaders: ReaderPool
    let agents = AgentNumbers()
    let tables = TableStore()
    let families = FamilyTable()
    let head: Head
    let days: DayFiles
    let windowParts = WindowParts()
    let rollups: [RollupFiles]
    /// Files of before this start that may hold what is to be rolled up or merged.
    let rollScan: Mutex<[Int64]>
    let unitScan: Mutex<[(tier: Int, file: Int64)]>
    /// The series that samples are pushed to.
    package let pushed = PushedSeries()
    /// Block keys of pushed samples: an epoch per start.
    let pushedEpoch: EpochID
    let pushedSequence = Mutex<UInt64>(0)
    let events: EventStore
    let deletions: DeletionFile
    /// Open while samples are handed on to another system, see ``startForwarding()``.
    let forwarding = Mutex<ForwardFile?>(nil)
    private let lock: StoreLock
    let currentLimits: Mutex<TenantLimits>
    package let sampleRate = SampleRate()
    let state: Mutex<IngestState>
    let damages: Mutex<[DamageReport]>
    /// Where tests and the simulation let it fail.
    package let faults = StoreFaults()
    /// Held during a commit and a deletion, so that one comes after the other.
    let commitGate = Mutex<Void>(())
    /// Held by one piece of upkeep at a time.
    let upkeepGate = Mutex<Void>(())
    let erasure = Mutex<Erasure?>(nil)
    /// Held while level-0 events move, by the maintenance thread or by a reader that wants them all.
    let eventMove = Mutex<Void>(())
    let lastEventMove = Mutex<Int64>(0)
    let lastTimes = Mutex<[AgentLane: LastTime]>([:])

    /// What commits change; also what the ledger and the fleet answer from.
    struct IngestState {
        var generation: [UInt8] = []
        var nextBlock: Int64 = 1
        /// Ids below may have been used according to the file.
        var reservedBlock: Int64 = 1
        var dedup: [AgentLane: DedupState] = [:]
        var fleet: [AgentID: FleetState] = [:]
        /// Agents whose numbers are known to be in both files.
        var savedAgents: Set<AgentID> = []
        var gaps: [GapEntry] = []
        var quarantineBytes = 0
        var parkedBytes = 0
        /// A commit failed, so the file may hold more than this does.
        var isStale = false
        /// Event blocks that wait in level 0, in the order of commit.
        var pendingEvents = PendingEventQueue()
        var lastShadowAt = Timestamp.distantPast
    }
    struct AgentLane: Hashable {
        let agent: AgentID
        let lane: LaneKey
    }
    /// The time of a lane's highest batch so far.
    struct LastTime {
        let sequence: UInt64
        let time: Timestamp
    }
    struct GapEntry {
        let key: [UInt8]
        var gap: Gap
    }
    /// - Parameter agentLabels: what an agent's certificate adds to its series; nil where certificates are not at hand:
    ///   then an index that has to be rebuilt from agents' tables is an error.
    package init(
        tenant: TenantID, directory: String, configuration: StoreConfiguration, time: any TimeSource,
        metrics: OwnMetrics, agentLabels: (@Sendable (AgentID) -> AgentLabels)?
    ) throws {
        self.tenant = tenant
        self.directory = directory
        self.configuration = configuration
        self.time = time
        self.metrics = metrics
        self.agentLabels = agentLabels
        var generator = SystemRandomNumberGenerator()
        pushedEpoch = EpochID(random: &generator)
        try StoreFiles.makeDirectory(directory)
        lock = try StoreLock(directory: directory)
        var limits = TenantLimits()
        limits.activeSeries = configuration.seriesMax
        currentLimits = Mutex(limits)
        var reports: [DamageReport] = []
        let now = time.now
        let index = SeriesIndex(seriesMax: configuration.seriesMax)
        ingest = try StoreFiles.open(
            "\(directory)/ingest.sqlite", now: now, reports: &reports,
            consequence: "batches of the last minutes and the ledger's history are lost; replays merge by time and id"
        ) {
            try GuardedDatabase(path: $0, configuration: IngestFile.configuration(), migrations: IngestFile.migrations)
        } check: {
            try $0.use { try $0.quickCheck() }
        }
        var fresh: SeriesIndex? = index
        indexFile = try StoreFiles.open(
            "\(directory)/index.sqlite", now: now, reports: &reports, consequence: "rebuilt from the series tables"
        ) {
            try IndexFile(path: $0)
        } check: { file in
            // A second attempt, on the new file, fills an index of its own.
            let target = fresh ?? SeriesIndex(seriesMax: configuration.seriesMax)
            fresh = nil
            try file.load(into: target)
            return []
        }
        self.index =
            reports.contains { $0.file == "index.sqlite" } ? SeriesIndex(seriesMax: configuration.seriesMax) : index
        ingestReaders = ReaderPool(path: "\(directory)/ingest.sqlite")
        head = Head(
            decodedBytesMax: configuration.headDecodedBytesMax, bodyBytesMax: configuration.headBodyBytesMax,
            columnBytesMax: configuration.headColumnBytesMax)
        days = DayFiles(directory: directory)
        let rollups = RollupTier.allCases.map { RollupFiles($0, directory: directory) }
        self.rollups = rollups
        rollScan = Mutex(days.days)
        unitScan = Mutex(rollups.indices.flatMap { tier in rollups[tier].files.days.map { (tier, $0) } })
        events = try StoreFiles.open(
            "\(directory)/events.sqlite", now: now, reports: &reports,
            consequence: "events stored before are lost"
        ) {
            try EventStore(path: $0)
        } check: {
            try $0.check()
        }
        deletions = try StoreFiles.open(
            "\(directory)/deletions.sqlite", now: now, reports: &reports,
            consequence: "deletions that were not finished are undone; repeat those of the last weeks"
        ) {
            try DeletionFile(path: $0)
        } check: {
            try $0.check()
        }
        state = Mutex(IngestState())
        damages = Mutex(reports)
        try load()
        for report in reports { metrics.add("stagebox_store_damage_total", 1, "file", report.file) }
    }

    /// Ends the connections, after emptying the WALs. Nothing may be called afterwards.
    package func close() {
        // A failure here only leaves a longer WAL to be read at the next start.
        try? ingest.use { _ = try $0.checkpoint(.truncate) }
        try? indexFile.checkpoint()
        ingestReaders.closeAll()
        ingest.close()
        indexFile.close()
        deletions.close()
        forwarding.withLock { $0.take() }?.close()
        days.closeAll()
        for tier in rollups { tier.files.closeAll() }
        events.close()
    }

    /// What was found damaged since the start, oldest first.
    package var damageReports: [DamageReport] { damages.withLock { $0 } }

    func report(_ file: String, _ finding: String, _ consequence: String) {
        let report = DamageReport(at: time.now, file: file, finding: finding, consequence: consequence)
        damages.withLock { reports in
            if reports.count < 1000 { reports.append(report) }
        }
        metrics.add("stagebox_store_damage_total", 1, "file", file)
    }

    /// Runs `body`, giving SQLite's errors this tenant's name.
    func throwing<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as SQLiteError { throw StoreError(error, tenant: tenant) }
    }
}
