import Glibc
import Interchange
import RuntimeSupport
import Sources
import Telemetry

/// Finds targets in files and scrapes them over plain HTTP, around ``ScrapeReader``.
final class ScrapeDriver: SourceDriver {
    static let name = "scrape"
    /// Of all files; further ones are not scraped.
    static let targetsMax = 200
    /// Scrapes at once; others wait.
    static let fetchesMax = 4
    /// Between two looks at the files.
    static let refreshMilliseconds: Int64 = 15_000

    struct Settings {
        /// Paths; the last part of each may hold `*` and `?`.
        var files: [String]
        var intervalMilliseconds: Int64
        var timeoutMilliseconds: Int64
        var job: String
        var honorsLabels: Bool
        var limits: ScrapeReader.Limits
        var targetRules: [RelabelRule]
        var sampleRules: [RelabelRule]
    }

    private final class Scraped {
        let target: ScrapeTarget
        let unit: String
        var reader: ScrapeReader
        var cadence: Cadence
        var fetch: HTTPFetch?
        var instant = Timestamp(milliseconds: 0)
        var startNanoseconds: UInt64 = 0
        init(_ target: ScrapeTarget, _ reader: ScrapeReader, _ cadence: Cadence) {
            self.target = target
            unit = target.unit
            self.reader = reader
            self.cadence = cadence
        }
    }

    private let settings: Settings
    private let context: SourceContext
    private var files: TargetFiles
    private var targets: [Scraped] = []
    private var told = ToldFamilies()
    private var nextRefresh: Int64

    init(_ settings: Settings, _ context: SourceContext) {
        self.settings = settings
        self.context = context
        files = TargetFiles(patterns: settings.files)
        nextRefresh = context.monotonicMilliseconds
    }

    var interests: [pollfd] { targets.compactMap { $0.fetch?.interest } }

    var nextDeadlineMilliseconds: Int64 {
        var deadline = nextRefresh
        let isFull = targets.count { $0.fetch != nil } >= Self.fetchesMax
        for target in targets {
            if let fetch = target.fetch {
                deadline = min(deadline, fetch.outcome == nil ? fetch.deadlineMilliseconds : 0)
            } else if !isFull {
                deadline = min(deadline, target.cadence.dueMilliseconds)
            }
        }
        return deadline
    }

    func ready(_ descriptor: Int32) {
        for target in targets where target.fetch?.interest?.fd == descriptor {
            target.fetch?.ready()
            complete(target)
            return
        }
    }

    func advance() {
        let now = context.monotonicMilliseconds
        if now >= nextRefresh {
            refresh()
            nextRefresh = now + Self.refreshMilliseconds
        }
        for target in targets {
            target.fetch?.expire(now: now)
            complete(target)
        }
        var running = targets.count { $0.fetch != nil }
        for target in targets where target.fetch == nil && running < Self.fetchesMax {
            guard let instant = target.cadence.take(now: context.time.now, monotonicMilliseconds: now) else { continue }
            begin(target, instant, now)
            running += 1
        }
    }

    /// What is under way is given up; the next start scrapes again.
    func finish() { targets = [] }

    private func begin(_ target: Scraped, _ instant: Timestamp, _ now: Int64) {
        target.instant = instant
        target.startNanoseconds = context.time.monotonicNanoseconds
        target.fetch = HTTPFetch(
            target.target.address, accept: ExpositionFormat.acceptHeader,
            bodyBytesMax: settings.limits.bodyBytesMax,
            deadlineMilliseconds: now + min(settings.timeoutMilliseconds, settings.intervalMilliseconds))
        complete(target)
    }

    private func complete(_ target: Scraped) {
        guard let outcome = target.fetch?.outcome else { return }
        target.fetch = nil
        var scraped = ScrapeReader.Scraped()
        var problem: String?
        switch outcome {
        case .failed(let reason): problem = reason
        case .answer(let answer) where answer.status != 200: problem = "it answers with status \(answer.status)"
        case .answer(let answer):
            do throws(InterchangeError) {
                scraped = try read(answer, target)
            } catch {
                problem = "\(error)"
            }
        }
        if let problem {
            context.metrics.add("stagebox_agent_scrape_failures_total")
            context.report(.source(Self.name, "\(target.target.address): \(problem)"))
        }
        let nanoseconds = context.time.monotonicNanoseconds &- target.startNanoseconds
        let health = target.reader.health(
            isUp: problem == nil, durationSeconds: Double(nanoseconds / 1000) / 1e6, sampleCount: scraped.sampleCount,
            keptCount: scraped.readings.count)
        var told = told
        let news = told.news(scraped.families)
        if context.hand(
            Self.name, unit: target.unit, health + scraped.readings, at: target.instant, families: news)
        {
            self.told = told
        }
        context.count(Self.name, scraped.drops)
    }

    private func read(_ answer: HTTPAnswer, _ target: Scraped) throws(InterchangeError) -> ScrapeReader.Scraped {
        var result: Result<ScrapeReader.Scraped, InterchangeError>?
        answer.body.withUnsafeBytes { bytes in
            result = Result { () throws(InterchangeError) in
                try target.reader.read(bytes, contentType: answer.contentType, now: context.time.now)
            }
        }
        return try result?.get() ?? ScrapeReader.Scraped()
    }

    // MARK: discovery

    /// Targets that stay keep what they know; the series of those that went end with a marker.
    private func refresh() {
        for problem in files.refresh() { context.report(.source(Self.name, problem)) }
        var wanted: [String: ScrapeTarget] = [:]
        var dropped = 0
        for group in files.groups {
            for text in group.targets {
                switch ScrapeTarget.make(text, group, job: settings.job, rules: settings.targetRules) {
                case .target(let target): wanted[target.unit] = target
                case .dropped: dropped += 1
                case .invalid(let reason): context.report(.source(Self.name, reason))
                }
            }
        }
        for gone in targets where wanted[gone.unit] == nil {
            context.hand(Self.name, unit: gone.unit, [], at: context.time.now)
        }
        targets.removeAll { wanted[$0.unit] == nil }
        for known in targets { wanted[known.unit] = nil }
        let refused = max(0, wanted.count + targets.count - Self.targetsMax)
        for (unit, target) in wanted.sorted(by: { $0.key < $1.key }) where targets.count < Self.targetsMax {
            targets.append(make(target, unit))
        }
        context.metrics.set("stagebox_agent_scrape_targets", Double(targets.count))
        context.metrics.set("stagebox_agent_scrape_targets_dropped", Double(dropped), "reason", "relabel")
        context.metrics.set("stagebox_agent_scrape_targets_dropped", Double(refused), "reason", "limit")
    }

    private func make(_ target: ScrapeTarget, _ unit: String) -> Scraped {
        // Spread over the interval, the same way after every start (FNV-1a).
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in unit.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let interval = settings.intervalMilliseconds
        return Scraped(
            target,
            ScrapeReader(
                target: target, rules: settings.sampleRules, honorsLabels: settings.honorsLabels,
                limits: settings.limits),
            Cadence(
                intervalMilliseconds: interval, offsetMilliseconds: Int64(hash % UInt64(interval)),
                now: context.time.now, monotonicMilliseconds: context.monotonicMilliseconds))
    }
}
