import Glibc
import PromQL
import Rules
import RuntimeSupport
import Synchronization
import Telemetry

/// One tenant's rules: reads its files, evaluates its groups on a thread of its own, shows how they fare.
///
/// A file that is bad keeps the rules that it had before, until it is mended.
final class TenantRules: Sendable {
    /// How often the folder is looked at.
    static let scanMilliseconds: Int64 = 2000
    /// A rule is ended then, so that one does not keep all others from their times.
    static let queryMillisecondsMax: Int64 = 60_000

    private enum Command: Sendable { case reload, stop }
    private let tenant: TenantID
    private let folder: RuleFolder
    private let language: ParserOptions
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let host: any RuleHost & Sendable
    private let report: @Sendable (String) -> Void
    private let commands = BoundedQueue<Command>(itemsMax: 4)
    private let shown = Mutex(RuleStanding())

    init(
        tenant: TenantID, path: String, language: ParserOptions, time: any TimeSource, metrics: OwnMetrics,
        host: any RuleHost & Sendable, report: @escaping @Sendable (String) -> Void
    ) {
        self.tenant = tenant
        folder = RuleFolder(path: path)
        self.language = language
        self.time = time
        self.metrics = metrics
        self.host = host
        self.report = report
    }

    var standing: RuleStanding { shown.withLock { $0 } }

    /// Looks at the files now.
    func reload() { _ = commands.push(.reload) }
    func stop() { _ = commands.push(.stop) }

    /// Until ``stop()``; on the thread of whoever calls.
    func run() {
        var files = LoadedRules(folder: folder, language: language)
        var evaluators: [GroupEvaluator] = []
        var nextScan = time.monotonicNanoseconds
        while true {
            let now = time.now
            if time.monotonicNanoseconds >= nextScan {
                nextScan = time.monotonicNanoseconds + UInt64(Self.scanMilliseconds) * 1_000_000
                if files.scan() { take(files, &evaluators, now) }
            }
            evaluate(&evaluators)
            let due = evaluators.map(\.schedule.next).min().map { $0 - time.now.milliseconds } ?? Self.scanMilliseconds
            let commands = commands.pop(max: 4, waitMilliseconds: max(1, min(due, Self.scanMilliseconds)))
            if commands.contains(.stop) { return }
            if commands.contains(.reload) {
                files.forget()
                nextScan = time.monotonicNanoseconds
            }
        }
    }

    private func take(_ files: LoadedRules, _ evaluators: inout [GroupEvaluator], _ now: Timestamp) {
        for problem in files.newProblems {
            report("rules of \(tenant): \(problem); the file's former rules go on")
            metrics.add("stagebox_rules_reload_failures_total", 1, "tenant", tenant.rawValue)
        }
        let known = Dictionary(evaluators.map { ($0.group.key, $0) }) { first, _ in first }
        let next = files.groups.map { GroupEvaluator($0, now: now, continuing: known[$0.key]) }
        let continued = Dictionary(next.map { ($0.group.key, $0) }) { first, _ in first }
        let gone = evaluators.reduce(into: Set<SeriesKey>()) {
            $0.formUnion($1.abandonedSeries(by: continued[$1.group.key]))
        }
        if !gone.isEmpty {
            do { try host.write(gone.map { ($0, StalenessMarker.value) }, at: now) } catch {
                report("rules of \(tenant): series of removed rules could not be ended: \(error)")
            }
        }
        evaluators = next
        show(evaluators, files.problems)
    }

    private func evaluate(_ evaluators: inout [GroupEvaluator]) {
        for index in evaluators.indices {
            let before = evaluators[index]
            guard evaluators[index].run(now: time.now, host) else { continue }
            count(before, evaluators[index])
            shown.withLock { $0.groups[index] = RuleStanding.Group(evaluators[index]) }
        }
    }

    private func count(_ before: GroupEvaluator, _ after: GroupEvaluator) {
        let name = tenant.rawValue
        let missed = after.schedule.missedCount - before.schedule.missedCount
        if missed > 0 {
            metrics.add("stagebox_rules_missed_iterations_total", Double(missed), "tenant", name)
        }
        var failures = 0
        var evaluations = 0
        for (rule, pair) in zip(after.group.rules, zip(before.states, after.states)) {
            evaluations += pair.1.evaluationCount - pair.0.evaluationCount
            failures += pair.1.failureCount - pair.0.failureCount
            if let error = pair.1.error, pair.0.error != error {
                report("rule \(rule.name) of \(tenant) fails: \(error)")
            }
        }
        metrics.add("stagebox_rules_evaluations_total", Double(evaluations), "tenant", name)
        if failures > 0 { metrics.add("stagebox_rules_failures_total", Double(failures), "tenant", name) }
    }

    private func show(_ evaluators: [GroupEvaluator], _ problems: [RuleFileError]) {
        let standing = RuleStanding(groups: evaluators.map { RuleStanding.Group($0) }, problems: problems)
        shown.withLock { $0 = standing }
    }
}

/// The rules of a folder's files as last read well, and what is wrong with those that are not well now.
private struct LoadedRules {
    private struct File {
        var mark: RuleFolder.Mark?
        var groups: [RuleGroup] = []
        var problems: [RuleFileError] = []
    }
    let folder: RuleFolder
    let language: ParserOptions
    private var files: [String: File] = [:]
    /// Of the last scan that found a change.
    private(set) var newProblems: [RuleFileError] = []

    init(folder: RuleFolder, language: ParserOptions) {
        self.folder = folder
        self.language = language
    }

    var groups: [RuleGroup] { files.sorted { $0.key < $1.key }.flatMap(\.value.groups) }
    var problems: [RuleFileError] { files.sorted { $0.key < $1.key }.flatMap(\.value.problems) }

    /// Has the next scan read every file again.
    mutating func forget() { for name in files.keys { files[name]?.mark = nil } }

    /// - Returns: whether anything changed.
    mutating func scan() -> Bool {
        let found = folder.files()
        let names = Set(found.map(\.name))
        newProblems = []
        var isChanged = false
        for name in files.keys where !names.contains(name) {
            files[name] = nil
            isChanged = true
        }
        for (name, mark) in found where files[name]?.mark != mark {
            isChanged = true
            var file = files[name] ?? File()
            file.mark = mark
            switch read(name) {
            case .success(let groups):
                file.groups = groups
                file.problems = []
            case .failure(let errors):
                file.problems = errors.errors
                newProblems += errors.errors
            }
            files[name] = file
        }
        return isChanged
    }

    private func read(_ name: String) -> Result<[RuleGroup], RuleFileErrors> {
        guard let bytes = folder.read(name) else {
            let problem = RuleFileError(
                file: name, line: 1, message: "cannot be read, or has more than \(RuleFolder.fileBytesMax) bytes")
            return .failure(RuleFileErrors(errors: [problem]))
        }
        return RuleFileReader.read(bytes, file: name, language: language)
    }
}
