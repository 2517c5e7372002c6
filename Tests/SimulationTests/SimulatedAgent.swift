import AgentCore
import Buffer
import Collectors
import Control
import Intake
import LocalRules
import MQTT
import RuntimeSupport
import Sources
import Telemetry
import WireFormat

/// A node: the real engine over a real buffer file, a source, a clock, and ways to die.
final class SimulatedAgent {
    enum Death {
        /// SIGTERM: flushed, closed.
        case stopped
        /// kill -9: files as they are.
        case killed
        /// A power cut: the last writes since the last ``snapshot()`` are there in part.
        case torn
        /// kill -9, and some bits of the file turned before the next start.
        case flipped(bits: Int)
    }

    let number: Int
    let id: AgentID
    let oracle = AgentOracle()
    let clock: SimulatedClock
    var configuration = BufferConfiguration(bytesMax: 4 << 20, drainedEpochsMax: 4096)
    var flushMilliseconds: Int64 = 5000
    /// Of a second; how often an application submits something.
    var submissionShare = 0.1
    /// By name.
    var rules: [String: LocalRule] = [:]
    /// What a fault adds to a series' value at an instant, milliseconds since 1970.
    var fault: (_ series: Int, _ at: Int64) -> Double = { _, _ in 0 }
    /// What the agent says of its findings, in its order; a file that outlives every death.
    private(set) var told: [Finding] = []
    /// What detection has learnt; a file as well.
    private(set) var models: [UInt8]?
    var isProducing = true
    private(set) var buffer: Buffer?
    private(set) var engine: AgentEngine?
    private(set) var restartAt: Int64 = 0
    private(set) var reports: [AgentReport] = []
    /// Buffer files that were found damaged.
    private(set) var setAside = 0
    private(set) var lives = 0
    private(set) var transport: FakeTransport?
    private let broker: FakeBroker
    private let root: String
    private let trace: Trace
    private var identity: AgentIdentity
    private var generator: SeededGenerator
    private var box = EventBox()
    private var metrics = OwnMetrics()
    private var gathered = BatchContent()
    /// What earlier flushes could not store, oldest first: the engine tries again.
    private var unstored: [BatchContent] = []
    private var lastScrapeAt: Int64?
    private var hasDescribed = false
    private var nextScrapeAt: Int64 = 0
    private var tick = 0
    private var outbox: [ListeningEvent] = []
    private var earlier: FileImage?
    private var now: Int64 = 0
    private var fileNumber = 0
    private let isClone: Bool

    init(
        number: Int, name: String? = nil, isRelay: Bool = false, fleet: SimulatedFleet, broker: FakeBroker,
        root: String, seed: UInt64, trace: Trace
    ) throws {
        self.number = number
        id = AgentID(unchecked: name ?? "edge-\(number)")
        self.broker = broker
        self.root = "\(root)/agent-\(number)"
        self.trace = trace
        isClone = false
        generator = SeededGenerator(seed: seed)
        clock = SimulatedClock(bootID: ID128(random: &generator))
        identity = try fleet.enrol(id, isRelay: isRelay)
        try FileImage.makeDirectory(self.root)
        nextScrapeAt = Int64.random(in: 0..<1000, using: &generator)
    }

    private init(cloning other: SimulatedAgent, number: Int, root: String, seed: UInt64) throws {
        self.number = number
        id = other.id
        broker = other.broker
        self.root = "\(root)/agent-\(number)"
        trace = other.trace
        isClone = true
        generator = SeededGenerator(seed: seed)
        clock = SimulatedClock(bootID: ID128(random: &generator))
        identity = other.identity
        try FileImage.makeDirectory(self.root)
        try FileImage(other.path).write(to: path)
        nextScrapeAt = other.nextScrapeAt + 1000
    }

    /// A second node started from a copy of this one's disk.
    func clone(number: Int, root: String, seed: UInt64) throws -> SimulatedAgent {
        try SimulatedAgent(cloning: self, number: number, root: root, seed: seed)
    }

    private var path: String { "\(root)/buffer-\(fileNumber).sqlite" }
    var isRunning: Bool { engine != nil }
    var hasInput: Bool { !box.events.isEmpty }
    var runningEpoch: EpochID { buffer?.runningEpoch ?? .zero }

    /// Virtual milliseconds when it wants to be called; events call it anyway.
    var nextDeadline: Int64 {
        guard let engine else { return restartAt }
        let due = now + max(1, engine.nextDeadlineMilliseconds - monotonicMilliseconds)
        return isProducing ? min(due, nextScrapeAt) : due
    }
    private var monotonicMilliseconds: Int64 { Int64(clock.time.monotonicNanoseconds / 1_000_000) }

    // MARK: Living

    func step(now: Int64) throws {
        self.now = now
        clock.move(to: now)
        if engine == nil {
            guard now >= restartAt else { return }
            try start()
        }
        guard let engine else { return }
        var rounds = 0
        while !box.events.isEmpty, rounds < 100 {
            rounds += 1
            let events = box.events
            box.events.removeAll()
            for event in events { observe { engine.handle(.transport(event)) } }
        }
        while isProducing, now >= nextScrapeAt {
            nextScrapeAt += 1000
            scrape(engine)
            if generator.chance(submissionShare) || outbox.count > 3 { submit(engine) }
        }
        let failures = metrics.value("stagebox_agent_flush_failures_total") ?? 0
        observe { engine.advance() }
        if (metrics.value("stagebox_agent_flush_failures_total") ?? 0) > failures {
            oracle.failedFlushes += 1
            if !gathered.samples.isEmpty { unstored.append(gathered) }
            gathered = BatchContent()
            lastScrapeAt = nil
        }
        if engine.isStopped { ended() }
    }

    private func start() throws {
        lives += 1
        box = EventBox()
        metrics = OwnMetrics()
        gathered = BatchContent()
        unstored = []
        lastScrapeAt = nil
        hasDescribed = false
        nextScrapeAt = max(nextScrapeAt, now)
        let buffer = try Buffer(
            path: path, configuration: configuration, time: clock.time,
            generator: SeededGenerator(seed: generator.next())
        )
        self.buffer = buffer
        setAside += buffer.rebuildCount
        // What a clone found on its disk is the other node's, which has gone on since.
        if isClone, lives == 1 { oracle.rewound.formUnion(buffer.ledger().map(\.laneKey)) }
        reconcile(buffer)
        let box = box
        let transport = broker.transport { box.events.append($0) }
        self.transport = transport
        let clock = clock
        var settings = EngineConfiguration(flushMilliseconds: flushMilliseconds)
        settings.settings.rules = rules
        var parts = AgentEngine.Parts(
            identity: identity, configuration: settings,
            buffer: buffer, transport: transport, time: clock.time, seed: generator.next(),
            clock: { clock.reading }, metrics: metrics, version: "0.1.0",
            persist: { [weak self] in self?.identity = $0 },
            report: { [weak self] report in
                if let self, reports.count < 1000 { reports.append(report) }
            })
        parts.findings = Array(Dictionary(told.map { ($0.id, $0) }, uniquingKeysWith: { $1 }).values)
        parts.keepFindings = { [weak self] in self?.told += $0 }
        parts.models = models
        parts.keepModels = { [weak self] in self?.models = $0 }
        engine = try AgentEngine(parts)
        trace.note("\(now) start \(id) life \(lives)")
    }

    /// What the file still knows of earlier lives, against what the harness saw.
    private func reconcile(_ buffer: Buffer) {
        let known = Dictionary(uniqueKeysWithValues: buffer.ledger().map { ($0.laneKey, $0.next) })
        for key in oracle.sequenced.keys where key.sequence >= known[key.laneKey] ?? 1 {
            oracle.rewound.insert(key.laneKey)
            oracle.torn.insert(key)
        }
    }

    /// Runs a call of the engine and notes which sequences it gave to what.
    /// - Parameter contents: of the live rows that the call makes, in their order; nil: what was gathered.
    private func observe(_ contents: [BatchContent]? = nil, _ body: () -> Void) {
        let before = nexts()
        body()
        for (lane, next) in nexts().sorted(by: { $0.key < $1.key }) {
            let first = before[lane] ?? 1
            guard next > first else { continue }
            for sequence in first..<next {
                let held = lane.lane == .live ? content(contents, row: next - 1 - sequence) : BatchContent()
                held.sequencedAt = now
                oracle.sequenced[BatchKey(epoch: lane.epoch, lane: lane.lane, sequence: sequence)] = held
                trace.note("\(now) sequenced \(id) \(lane) \(sequence) \(held.samples.count) \(held.events.count)")
            }
        }
    }

    /// - Parameter row: counted from the last one that a call made.
    private func content(_ contents: [BatchContent]?, row: UInt64) -> BatchContent {
        if let contents { return row == 0 ? contents[contents.count - 1] : contents[0] }
        if !unstored.isEmpty { return unstored.removeFirst() }
        defer {
            gathered = BatchContent()
            lastScrapeAt = nil
        }
        return gathered
    }

    private func nexts() -> [LaneKey: UInt64] {
        Dictionary(uniqueKeysWithValues: (buffer?.ledger() ?? []).map { ($0.laneKey, $0.next) })
    }

    // MARK: Sources

    private func scrape(_ engine: AgentEngine) {
        tick += 1
        let count = AgentOracle.seriesCount
        let at = clock.time.now.milliseconds
        let values = (0..<count).map { AgentOracle.value(agent: number, series: $0, tick: tick) + fault($0, at) }
        let scrape = Scrape(
            timestamp: Timestamp(milliseconds: at), intervalMilliseconds: 1000, layout: 1,
            newDescriptors: hasDescribed
                ? []
                : (0..<count).map { SeriesDescriptor(key: SeriesKey(name: AgentOracle.name($0)), type: .gauge) },
            handles: (0..<UInt32(count)).map { $0 }, values: values)
        hasDescribed = true
        oracle.producedSamples += count
        if let last = lastScrapeAt, at <= last {
            oracle.refusedSamples += count
        } else {
            lastScrapeAt = at
            for series in 0..<count {
                gathered.samples.append(ProducedSample(series: series, at: at, value: values[series]))
            }
        }
        observe { engine.handle(.scrape(scrape)) }
    }

    /// An application: events with ids of its own, submitted again until they are answered.
    private func submit(_ engine: AgentEngine) {
        for _ in 0..<Int.random(in: 1...4, using: &generator) where outbox.count < 100 { outbox.append(makeEvent()) }
        let events = outbox
        let at = clock.time.now
        let value = AgentOracle.value(agent: number, series: AgentOracle.pushedSeries, tick: tick)
        let pushed = ProducedSample(series: AgentOracle.pushedSeries, at: at.milliseconds, value: value)
        let answer = AnswerBox()
        let (played, measured) = (BatchContent(), BatchContent())
        played.events = events
        measured.samples = [pushed]
        let submission = IntakeSubmission(
            events: events,
            metrics: [
                MetricRecord(
                    descriptor: SeriesDescriptor(
                        key: SeriesKey(name: AgentOracle.name(AgentOracle.pushedSeries)), type: .gauge),
                    sample: Sample(timestamp: at, value: value))
            ], reply: { answer.outcome = $0 })
        observe([played, measured]) { engine.handle(.submission(submission)) }
        guard case .committed = answer.outcome else { return }
        oracle.producedSamples += 1
        for event in events { oracle.answered.insert(event.id) }
        outbox.removeAll()
    }

    /// A regional aggregator forwards something.
    /// - Returns: whether it was taken; otherwise it comes again.
    func relay(_ series: [RelayedSeries]) -> Bool { relay(RelayedRecords(series: series)) }

    func relay(_ relayed: RelayedRecords) -> Bool {
        guard let engine else { return false }
        let answer = AnswerBox()
        let submission = IntakeSubmission(relayed: relayed, reply: { answer.outcome = $0 })
        observe([BatchContent()]) { engine.handle(.submission(submission)) }
        return answer.outcome == .committed(duplicates: 0)
    }

    private func makeEvent() -> ListeningEvent {
        let at = clock.time.now
        var event = ListeningEvent(
            id: "\(id)-\(number)-\(oracle.produced.count)", kind: .play, at: at, receivedAt: at,
            user: ID128(random: &generator), pseudonymVersion: 1)
        event[.territory] = ["SE", "DE"][oracle.produced.count % 2]
        event[.tier] = "premium"
        event[.millisecondsPlayed] = Int64.random(in: 0..<240_000, using: &generator)
        oracle.produced[event.id] = event
        return event
    }

    // MARK: Dying

    /// Keeps the files as they are now, for a power cut to come.
    func snapshot() { if isRunning { earlier = FileImage(path) } }

    func die(_ death: Death, downMilliseconds: Int64) throws {
        guard let engine else { return }
        trace.note("\(now) die \(id) \(death)")
        restartAt = now + downMilliseconds
        if case .stopped = death {
            observe { engine.handle(.stop) }
            if engine.isStopped { ended() }
            return
        }
        var image = FileImage(path)
        switch death {
        case .torn:
            if let earlier { image = image.torn(since: earlier, using: &generator) }
        case .stopped, .killed, .flipped: break
        }
        earlier = nil
        transport?.abandon()
        oracle.killedSamples += (unstored + [gathered]).reduce(0) { $0 + $1.samples.count }
        if case .flipped = death { buffer?.close() }
        ended()
        let old = path
        if case .flipped(let bits) = death {
            // Closing has emptied the WAL into the file, so that every page can be struck.
            image = FileImage(old)
            image.flip(bits, using: &generator)
            oracle.isDamaged = true
        }
        fileNumber += 1
        try image.write(to: path)
        FileImage.removeTree(old)
        FileImage.removeTree(old + "-wal")
    }

    private func ended() {
        engine = nil
        buffer = nil
        transport = nil
        box = EventBox()
    }

    /// The disk takes no more pages than now and a few; nil: as many as it likes.
    func limitDisk(_ isFull: Bool) throws {
        guard let buffer else { return }
        trace.note("\(now) disk \(id) \(isFull)")
        try buffer.limitFile(pages: isFull ? buffer.filePages().all + 4 : nil)
    }

    /// Times that a broker let it in.
    var connections: Int { reports.count { $0 == .connected } }

    /// Nothing waits to be sent or told.
    var isQuiet: Bool {
        guard let buffer, gathered.samples.isEmpty, unstored.isEmpty else { return false }
        return buffer.ledger().allSatisfy { $0.pending.batches == 0 } && (try? buffer.waitingLossCount()) == 0
    }
}

final class AnswerBox: @unchecked Sendable {
    // The simulation has one thread.
    var outcome: IntakeOutcome?
}
