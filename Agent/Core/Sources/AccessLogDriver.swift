import Glibc
import RuntimeSupport
import Sources
import Telemetry

/// Follows access logs around ``AccessLogSummary``. A report carries the position that it was made at, which is
/// committed together with its samples: after a crash each complete line counts once.
final class AccessLogDriver: SourceDriver {
    static let name = "access_log"
    /// Turns of all logs before a report is made although there is more to read.
    static let turnsMax = 64

    private final class Log {
        let name: String
        let file: LogFile
        var summary: AccessLogSummary
        var isAtEnd = false
        init(_ name: String, _ file: LogFile, _ summary: AccessLogSummary) {
            self.name = name
            self.file = file
            self.summary = summary
        }
    }

    struct Settings {
        var name: String
        var format: AccessLogFormat
        var path: String
        var kept: LogPosition?
    }

    private let context: SourceContext
    private var cadence: Cadence
    private var logs: [Log]
    /// Of the report under way.
    private var instant: Timestamp?
    private var turns = 0

    init(_ settings: [Settings], intervalMilliseconds: Int64, _ context: SourceContext) {
        self.context = context
        let now = context.time.now
        logs = settings.map {
            Log(
                $0.name, LogFile(path: $0.path, kept: $0.kept),
                AccessLogSummary(name: $0.name, format: $0.format, start: now))
        }
        cadence = Cadence(
            intervalMilliseconds: intervalMilliseconds, now: now, monotonicMilliseconds: context.monotonicMilliseconds)
    }

    static func key(of name: String) -> String { "log.\(name)" }

    var interests: [pollfd] { [] }
    var nextDeadlineMilliseconds: Int64 { instant == nil ? cadence.dueMilliseconds : 0 }
    func ready(_ descriptor: Int32) {}

    func advance() {
        if instant == nil {
            instant = cadence.take(now: context.time.now, monotonicMilliseconds: context.monotonicMilliseconds)
            turns = 0
            logs.forEach { $0.isAtEnd = false }
        }
        guard let instant else { return }
        turn()
        guard turns >= Self.turnsMax || logs.allSatisfy(\.isAtEnd) else { return }
        self.instant = nil
        report(at: instant)
    }

    func finish() {
        logs.forEach { $0.isAtEnd = false }
        turns = 0
        while turns < Self.turnsMax, !logs.allSatisfy(\.isAtEnd) { turn() }
        report(at: context.time.now)
        logs = []
    }

    private func turn() {
        turns += 1
        let now = context.time.now
        for log in logs where !log.isAtEnd {
            log.isAtEnd = log.file.read { log.summary.add(line: $0, now: now) }
        }
    }

    private func report(at instant: Timestamp) {
        for log in logs {
            let checkpoint = log.file.checkpoint.map {
                SourceCheckpoint(key: Self.key(of: log.name), value: $0.encoded)
            }
            context.hand(
                Self.name, unit: "\(Self.name) \(log.name)", log.summary.report(), at: instant, checkpoint: checkpoint)
            log.summary.add(log.file.takeDrops())
            context.count(Self.name, log.summary.takeDrops())
            context.metrics.add("stagebox_agent_access_log_lines_total", Double(log.summary.takeLineCount()))
        }
    }
}
