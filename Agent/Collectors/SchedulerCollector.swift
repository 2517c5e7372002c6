import Telemetry

/// How long tasks ran and waited per processor, `/proc/schedstat` (Documentation/scheduler/sched-stats.rst):
/// `node_schedstat_<running|waiting>_seconds_total{cpu}`, `node_schedstat_timeslices_total{cpu}`.
public struct SchedulerCollector: Collector {
    public let name = "schedstat"
    public let defaultIntervalMilliseconds: Int64 = 1000
    private let file: SourceFile
    private var processors = RowCache<[SeriesHandle]>()

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/schedstat") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        processors.rewind()
        while let line = cursor.line() {
            guard line.starts(with: "cpu") else { continue }
            var fields = ByteCursor(line.dropping(3))
            guard let number = fields.word() else { continue }
            // Six columns of counts, then nanoseconds running, nanoseconds waiting and timeslices.
            for _ in 0..<6 { _ = fields.unsigned() }
            guard let running = fields.unsigned(), let waiting = fields.unsigned(), let slices = fields.unsigned()
            else {
                sink.malformedLines &+= 1
                continue
            }
            let row = processors.row(number) { number in
                ["running_seconds", "waiting_seconds", "timeslices"].map {
                    sink.counter("node_schedstat_\($0)_total", Label("cpu", number))
                }
            }
            guard let row else { continue }
            sink.append(row[0], Double(running) / 1e9)
            sink.append(row[1], Double(waiting) / 1e9)
            sink.append(row[2], slices)
        }
    }
}
