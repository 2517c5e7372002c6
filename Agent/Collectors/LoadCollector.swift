/// `node_load1`, `node_load5`, `node_load15` from `/proc/loadavg`. The kernel computes them every 5 s.
public struct LoadCollector: Collector {
    public let name = "loadavg"
    public let defaultIntervalMilliseconds: Int64 = 1000
    private let file: SourceFile
    private var handles: [SeriesHandle] = []

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/loadavg") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        if handles.isEmpty { handles = ["node_load1", "node_load5", "node_load15"].map { sink.gauge($0) } }
        for handle in handles {
            guard let load = cursor.decimal() else { throw .malformed(file.path) }
            sink.append(handle, load)
        }
    }
}
