import Telemetry

/// Processor time and what else `/proc/stat` counts (proc(5), Documentation/filesystems/proc.rst 1.7).
///
/// `node_cpu_seconds_total{cpu,mode}`, `node_cpu_guest_seconds_total{cpu,mode}`, `node_intr_total`,
/// `node_context_switches_total`, `node_forks_total`, `node_boot_time_seconds`, `node_procs_running`,
/// `node_procs_blocked`.
public struct StatCollector: Collector {
    public let name = "stat"
    public let defaultIntervalMilliseconds: Int64 = 1000

    /// USER_HZ: the unit of /proc/stat on every architecture that Linux still supports.
    static let ticksPerSecond = 100.0
    /// The kernel's idle and iowait times may step back a little (tickless accounting); a counter that falls by
    /// less than this is held, one that falls further was reset, e.g. by unplugging the processor.
    static let jumpBackTicks: UInt64 = 300

    private struct Processor {
        /// In the order of the kernel's columns: user nice system idle iowait irq softirq steal guest guest_nice.
        let handles: [SeriesHandle]
        var lastTicks: [UInt64]
    }
    private let file: SourceFile
    private var processors = RowCache<Processor>()
    private var lines: [SeriesHandle] = []

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/stat") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        if lines.isEmpty {
            lines = [
                sink.counter("node_intr_total"), sink.counter("node_context_switches_total"),
                sink.counter("node_forks_total"), sink.gauge("node_boot_time_seconds"),
                sink.gauge("node_procs_running"), sink.gauge("node_procs_blocked"),
            ]
        }
        processors.rewind()
        let before = sink.count
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let key = fields.word() else { continue }
            if key.starts(with: "cpu") {
                if key.count > 3 { collectProcessor(key, &fields, &sink) }
                continue
            }
            let index: Int
            if key.equals("intr") {
                index = 0
            } else if key.equals("ctxt") {
                index = 1
            } else if key.equals("processes") {
                index = 2
            } else if key.equals("btime") {
                index = 3
            } else if key.equals("procs_running") {
                index = 4
            } else if key.equals("procs_blocked") {
                index = 5
            } else {
                continue
            }
            if let value = fields.unsigned() { sink.append(lines[index], value) } else { sink.malformedLines &+= 1 }
        }
        if sink.count == before { throw .malformed(file.path) }
    }

    private mutating func collectProcessor(_ key: Bytes, _ fields: inout ByteCursor, _ sink: inout ScrapeSink) {
        let row = processors.index(key.dropping(3)) { number in
            Processor(
                handles: Self.modes.map { sink.counter($0.metric, Label("cpu", number), Label("mode", $0.mode)) },
                lastTicks: Array(repeating: 0, count: Self.modes.count))
        }
        guard let row else { return }
        for index in 0..<Self.modes.count {
            guard var ticks = fields.unsigned() else {
                // Old kernels have fewer columns; a line without even four is no processor's.
                if index < 4 { sink.malformedLines &+= 1 }
                return
            }
            let last = processors[row].lastTicks[index]
            if ticks < last, last - ticks < Self.jumpBackTicks { ticks = last }
            processors[row].lastTicks[index] = ticks
            sink.append(processors[row].handles[index], Double(ticks) / Self.ticksPerSecond)
        }
    }

    private static let modes: [(metric: String, mode: String)] =
        ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"].map { ("node_cpu_seconds_total", $0) }
        + [("node_cpu_guest_seconds_total", "user"), ("node_cpu_guest_seconds_total", "nice")]
}
