public import RuntimeSupport
import Telemetry

/// The edge around ``CollectorSchedule``: a worker thread that collects, and a supervisor thread that looks once a
/// second whether the worker is stuck and then replaces it.
///
/// When most of the series that were ever numbered are of things that went away (units, containers' devices), and three
/// quarters of the numbers are given, the runner makes its collectors and all numbers anew: ``Scrape/generation`` grows.
///
/// `@unchecked Sendable`: every stored property is read and written with the monitor held, except a slot's collector and
/// sink while the schedule says `running` or `hung`, when they belong to that worker alone.
public final class CollectorRunner: @unchecked Sendable {
    /// Takes a scrape and says whether it did; false (a full queue) drops the values, counted, while the new
    /// descriptors come again with the next scrape. Called with the runner's lock held: it must return at once
    /// and must not call the runner.
    public typealias Deliver = @Sendable (Scrape) -> Bool

    private final class Slot {
        var collector: any Collector
        var sink: ScrapeSink
        init(collector: any Collector, sink: ScrapeSink) {
            self.collector = collector
            self.sink = sink
        }
    }

    private let time: any TimeSource
    private let deliver: Deliver
    private var series: CollectorSeries
    private let remake: (() -> [any Collector])?
    private var generation: UInt64 = 0
    private var lastRenewal: UInt64
    /// Refused by series before the last renewal.
    private var refusedBefore: UInt64 = 0
    private let monitor = Monitor()
    private var schedule: CollectorSchedule
    private var slots: [Slot] = []
    private var assemblies: [ScrapeAssembly] = []
    private var layoutCount: UInt64 = 0
    private var tickTimestamp = Timestamp(milliseconds: 0)
    private var undelivered: [SeriesDescriptor] = []
    private var refusedScrapes: UInt64 = 0
    private var starts = CounterStarts()
    private let startNanoseconds: UInt64
    /// The worker whose values count; those before it were given up.
    private var worker: UInt64 = 0
    private var isStopped = false
    private var workerThread: WorkerThread?
    private var supervisorThread: WorkerThread?

    /// Between two renewals.
    static let renewalNanoseconds: UInt64 = 600_000_000_000

    /// - Parameters:
    ///   - collectors: in the order in which they run; those that may hang last.
    ///   - remake: the same collectors without a memory, for a renewal; nil: none.
    public init(
        collectors: [any Collector], time: any TimeSource, series: CollectorSeries = CollectorSeries(),
        remake: (() -> [any Collector])? = nil, deliver: @escaping Deliver
    ) {
        self.time = time
        self.series = series
        self.remake = remake
        self.deliver = deliver
        startNanoseconds = time.monotonicNanoseconds
        lastRenewal = startNanoseconds
        schedule = CollectorSchedule(collectors: [])
        let all = [health] + collectors
        schedule = CollectorSchedule(collectors: all.map { ($0.name, $0.defaultIntervalMilliseconds) })
        slots = makeSlots(all)
    }

    private var health: CollectorHealthCollector {
        CollectorHealthCollector(
            entries: { [unowned self] in entries },
            refusals: { [unowned self] in
                monitor.locked {
                    CollectorHealthCollector.Refusals(series: refusedBefore &+ series.refused, scrapes: refusedScrapes)
                }
            })
    }

    private func makeSlots(_ collectors: [any Collector]) -> [Slot] {
        let buffer = ReadBuffer()
        return collectors.map {
            Slot(collector: $0, sink: ScrapeSink(series: series, buffer: buffer, starts: CounterStarts()))
        }
    }

    /// With the lock held, before a tick begins.
    private func renewIfWorthwhile() {
        guard let remake, series.count >= series.capacity / 4 * 3 else { return }
        let now = time.monotonicNanoseconds
        let live = assemblies.reduce(0) { $0 + $1.seriesCount }
        // One that hangs still uses what it was given.
        guard now &- lastRenewal >= Self.renewalNanoseconds, live * 2 <= series.count,
            schedule.entries.allSatisfy({ $0.state == .idle })
        else { return }
        lastRenewal = now
        refusedBefore &+= series.refused
        series = CollectorSeries(capacity: series.capacity)
        let malformed = slots.map(\.sink.malformedLines)
        slots = makeSlots([health] + remake())
        precondition(slots.count == malformed.count, "as many collectors as before")
        for (slot, lines) in zip(slots, malformed) { slot.sink.malformedLines = lines }
        assemblies = []
        undelivered = []
        generation += 1
    }

    // MARK: Threads

    /// Starts both threads. Once only.
    public func start() {
        monitor.locked {
            precondition(workerThread == nil && !isStopped, "a runner starts once")
            startWorker()
            supervisorThread = WorkerThread(name: "collector-watch") { [self] in
                while monitor.locked({ waitUnlessStopped(milliseconds: CollectorSchedule.timeoutMilliseconds / 2) }) {
                    superviseOnce()
                }
            }
        }
    }

    /// Ends both threads and waits for them, but not for workers that were given up.
    public func stop() {
        let threads = monitor.locked { () -> [WorkerThread] in
            isStopped = true
            monitor.wakeAll()
            // A worker that hangs this very moment must not keep the agent from stopping.
            let isWorkerBusy = schedule.entries.contains { if case .running = $0.state { true } else { false } }
            return [supervisorThread, isWorkerBusy ? nil : workerThread].compactMap { $0 }
        }
        threads.forEach { $0.join() }
    }

    private func startWorker() {
        workerThread?.detach()
        worker += 1
        let number = worker
        workerThread = WorkerThread(name: "collectors") { [self] in
            let buffer = ReadBuffer()
            while true {
                let delay = monitor.locked {
                    worker == number && !isStopped ? schedule.delayMilliseconds(now: time.now) : nil
                }
                guard let delay, monitor.locked({ waitUnlessStopped(milliseconds: delay) }) else { return }
                guard collectDue(worker: number, buffer: buffer) else { return }
            }
        }
    }

    /// With the lock held. Returns whether to go on.
    private func waitUnlessStopped(milliseconds: Int64) -> Bool {
        if !isStopped { monitor.wait(milliseconds: milliseconds) }
        return !isStopped
    }

    // MARK: One step

    /// Collects what is due now on the calling thread: for programs and tests that drive time themselves
    /// and have not called ``start()``.
    public func collectDueNow() {
        let number = monitor.locked { worker }
        _ = collectDue(worker: number, buffer: ReadBuffer())
    }

    /// Looks for a worker that is stuck; the supervisor calls it every second.
    /// - Returns: whether one was given up (and a successor started, if this runner has threads).
    @discardableResult
    public func superviseOnce() -> Bool {
        monitor.locked {
            guard let index = schedule.takeHung(monotonicNanoseconds: time.monotonicNanoseconds) else { return false }
            let entry = schedule.entries[index]
            assembly(entry.intervalMilliseconds) {
                $0.fail(CollectorFailure(collector: entry.name, reason: .hung))
            }
            deliverTick()
            if workerThread == nil { worker += 1 } else { startWorker() }
            return true
        }
    }

    /// - Returns: false when this worker was given up meanwhile and has to end.
    private func collectDue(worker number: UInt64, buffer: ReadBuffer) -> Bool {
        let due = monitor.locked { () -> [Int] in
            guard worker == number else { return [] }
            renewIfWorthwhile()
            guard let tick = schedule.takeDue(now: time.now, monotonicNanoseconds: time.monotonicNanoseconds)
            else { return [] }
            tickTimestamp = tick.timestamp
            updateStarts()
            return tick.collectors
        }
        for index in due {
            let slot = monitor.locked { slots[index] }
            let begun = monitor.locked { () -> Bool in
                guard worker == number, !isStopped else { return false }
                schedule.begin(index, worker: number, monotonicNanoseconds: time.monotonicNanoseconds)
                slot.sink.starts = starts
                slot.sink.timestamp = tickTimestamp
                return true
            }
            guard begun else { return false }
            slot.sink.clear()
            slot.sink.buffer = buffer
            var failure: CollectorError?
            do { try slot.collector.collect(into: &slot.sink) } catch {
                failure = error
                slot.sink.clear()
            }
            let isCurrent = monitor.locked { finish(index, number, slot, failure) }
            guard isCurrent else { return false }
        }
        monitor.locked { deliverTick() }
        return true
    }

    private func finish(_ index: Int, _ number: UInt64, _ slot: Slot, _ failure: CollectorError?) -> Bool {
        let isCurrent = schedule.finish(
            index, worker: number, monotonicNanoseconds: time.monotonicNanoseconds, error: failure,
            malformedLines: slot.sink.malformedLines)
        guard isCurrent else { return false }
        let entry = schedule.entries[index]
        assembly(entry.intervalMilliseconds) {
            if let failure, !entry.isUnavailable {
                $0.fail(CollectorFailure(collector: entry.name, reason: .failed(failure)))
            }
            $0.append(slot.sink)
        }
        return true
    }

    private func assembly(_ interval: Int64, _ body: (inout ScrapeAssembly) -> Void) {
        if let index = assemblies.firstIndex(where: { $0.intervalMilliseconds == interval }) {
            return body(&assemblies[index])
        }
        assemblies.append(ScrapeAssembly(intervalMilliseconds: interval))
        body(&assemblies[assemblies.count - 1])
    }

    private func deliverTick() {
        guard !isStopped else { return }
        for index in assemblies.indices where !assemblies[index].isEmpty {
            var scrape = assemblies[index].take(at: tickTimestamp, layoutCount: &layoutCount)
            undelivered.append(contentsOf: series.takeNew())
            scrape.newDescriptors = undelivered
            scrape.generation = generation
            if deliver(scrape) { undelivered = [] } else { refusedScrapes &+= 1 }
        }
    }

    /// Boot and start time on the wall clock; they move only when the clock stepped.
    private func updateStarts() {
        let boot = time.now.advanced(byMilliseconds: -Int64(time.monotonicNanoseconds / 1_000_000)).milliseconds
        guard abs(boot - starts.boot) > 1000 else { return }
        starts.boot = boot
        starts.process = boot + Int64(startNanoseconds / 1_000_000)
    }

    // MARK: Control

    /// Changes a collector's interval (nil: its default) and switches it on or off, from the next tick on.
    /// - Returns: false when there is no such collector or the interval is out of range.
    @discardableResult
    public func configure(_ name: String, intervalMilliseconds: Int64? = nil, isEnabled: Bool = true) -> Bool {
        monitor.locked {
            defer { monitor.wakeAll() }
            return schedule.configure(name, intervalMilliseconds: intervalMilliseconds, isEnabled: isEnabled)
        }
    }

    /// How all collectors stand.
    public var entries: [CollectorSchedule.Entry] { monitor.locked { schedule.entries } }
    /// Scrapes that `deliver` refused.
    public var refusedScrapeCount: UInt64 { monitor.locked { refusedScrapes } }
}
