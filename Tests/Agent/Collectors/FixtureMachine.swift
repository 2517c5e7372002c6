import Collectors
import RuntimeSupport
import Synchronization
import Telemetry
import TestSupport

/// Runs collectors by hand on a tree of kernel files and keeps what they deliver.
final class FixtureMachine: Sendable {
    struct Reading: Equatable {
        var name: String
        var labels: [Label]
        var value: Double
        var type: MetricType
        var start: Int64
        /// `name{label="value",…}`
        var series: String {
            let pairs = labels.map { "\($0.name)=\"\($0.value)\"" }
            return pairs.isEmpty ? name : "\(name){\(pairs.joined(separator: ","))}"
        }
    }
    private struct Kept {
        var scrapes: [Scrape] = []
        /// By generation.
        var descriptors: [UInt64: [SeriesDescriptor]] = [:]
        var isAccepting = true
    }

    /// The tree of a machine, beside this file.
    static let root = #filePath.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/Fixtures"

    let time: ManualTimeSource
    let runner: CollectorRunner
    private let kept: Box

    /// `Mutex` cannot be captured by the delivering closure before the machine exists.
    private final class Box: Sendable {
        let kept = Mutex(Kept())
    }

    init(
        _ collectors: [any Collector], time: ManualTimeSource = ManualTimeSource(),
        series: CollectorSeries = CollectorSeries(), remake: (() -> [any Collector])? = nil
    ) {
        let box = Box()
        kept = box
        self.time = time
        runner = CollectorRunner(collectors: collectors, time: time, series: series, remake: remake) { scrape in
            box.kept.withLock { kept in
                guard kept.isAccepting else { return false }
                kept.scrapes.append(scrape)
                kept.descriptors[scrape.generation, default: []] += scrape.newDescriptors
                return true
            }
        }
    }

    convenience init(tree: String) {
        self.init(FixtureMachine.collectors(CollectorRoots(below: tree)))
    }

    /// The default collectors with a fixed machine name, clock and filesystems.
    static func collectors(_ roots: CollectorRoots) -> [any Collector] {
        DefaultCollectors.make(roots: roots).map { collector -> any Collector in
            switch collector.name {
            case "uname": SystemCollector(roots: roots, machine: "x86_64")
            case "time": ClockCollector(roots: roots) { nil }
            case "filesystem":
                FilesystemCollector(roots: roots) { path in
                    path == "/srv/dead"
                        ? nil
                        : FilesystemUsage(
                            sizeBytes: 4096, freeBytes: 2048, availableBytes: 1024, files: 100, filesFree: 50)
                }
            default: collector
            }
        }
    }

    var scrapes: [Scrape] { kept.kept.withLock { $0.scrapes } }
    func accept(_ isAccepting: Bool) { kept.kept.withLock { $0.isAccepting = isAccepting } }
    func forget() { kept.kept.withLock { $0.scrapes = [] } }

    /// Moves on to the next multiple of `milliseconds` and collects what is due.
    func tick(milliseconds: Int64 = 10_000) {
        time.advance(milliseconds: milliseconds - time.now.milliseconds % milliseconds)
        runner.collectDueNow()
    }

    /// The samples of one scrape, its handles resolved.
    func readings(of scrape: Scrape) -> [Reading] {
        let descriptors = kept.kept.withLock { $0.descriptors[scrape.generation] ?? [] }
        return zip(scrape.handles, zip(scrape.values, scrape.startTimestamps)).map { handle, sample in
            let descriptor = descriptors[Int(handle)]
            return Reading(
                name: descriptor.key.name, labels: descriptor.key.labels.filter { $0.name != SeriesKey.nameLabel },
                value: sample.0, type: descriptor.type, start: sample.1)
        }
    }

    /// All samples delivered so far, the last one of each series.
    var readings: [String: Reading] {
        var all: [String: Reading] = [:]
        for scrape in scrapes { for reading in readings(of: scrape) { all[reading.series] = reading } }
        return all
    }
}
