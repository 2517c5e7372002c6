import Telemetry

/// Packets that the kernel's receive path took per processor, `/proc/net/softnet_stat` (net/core/net-procfs.c):
/// `node_softnet_<processed|dropped|times_squeezed>_total{cpu}`.
public struct SoftnetCollector: Collector {
    public let name = "softnet"
    public let defaultIntervalMilliseconds: Int64 = 1000
    private let file: SourceFile
    /// By processor number.
    private var rows: [[SeriesHandle]] = []

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/net/softnet_stat") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        var lineNumber = 0
        while let line = cursor.line() {
            defer { lineNumber += 1 }
            var fields = ByteCursor(line)
            guard let processed = fields.hexadecimal(), let dropped = fields.hexadecimal(),
                let squeezed = fields.hexadecimal()
            else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            // The thirteenth column names the processor (Linux 5.10); before, lines stand in processor order.
            for _ in 3..<12 { _ = fields.hexadecimal() }
            let cpu = Int(fields.hexadecimal().map { min($0, UInt64(RowCache<Int>.capacity)) } ?? UInt64(lineNumber))
            guard cpu < RowCache<Int>.capacity else {
                sink.malformedLines &+= 1
                continue
            }
            while rows.count <= cpu {
                let label = Label("cpu", "\(rows.count)")
                rows.append(
                    ["processed", "dropped", "times_squeezed"].map { sink.counter("node_softnet_\($0)_total", label) })
            }
            sink.append(rows[cpu][0], processed)
            sink.append(rows[cpu][1], dropped)
            sink.append(rows[cpu][2], squeezed)
        }
    }
}
