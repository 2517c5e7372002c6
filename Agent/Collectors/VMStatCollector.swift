import Telemetry

/// Paging and out-of-memory kills from `/proc/vmstat` as `node_vmstat_*`: the lines that node_exporter keeps,
/// `^(oom_kill|pgpg|pswp|pg.*fault).*`, untyped as there.
public struct VMStatCollector: Collector {
    public let name = "vmstat"
    public let defaultIntervalMilliseconds: Int64 = 1000
    private let file: SourceFile
    private var rows = RowCache<SeriesHandle>()

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/vmstat") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        rows.rewind()
        while let line = cursor.line() {
            // Most of the two hundred lines are told apart by their first letters.
            guard line.starts(with: "p") || line.starts(with: "oom_kill") else { continue }
            var fields = ByteCursor(line)
            guard let key = fields.word(), Self.isKept(key) else { continue }
            guard let value = fields.unsigned() else {
                sink.malformedLines &+= 1
                continue
            }
            let row = rows.row(key) {
                sink.register("node_vmstat_\(MemoryCollector.metricName($0))", [], .unknown, .unknown)
            }
            if let row { sink.append(row, value) }
        }
    }

    private static func isKept(_ key: Bytes) -> Bool {
        if key.starts(with: "oom_kill") || key.starts(with: "pgpg") || key.starts(with: "pswp") { return true }
        guard key.starts(with: "pg"), key.count >= 7 else { return false }
        return (2...key.count - 5).contains { key.dropping($0).starts(with: "fault") }
    }
}
