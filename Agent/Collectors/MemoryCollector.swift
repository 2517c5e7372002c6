import Telemetry

/// Every line of `/proc/meminfo` as `node_memory_<name>[_bytes]`, kilobytes turned into bytes.
public struct MemoryCollector: Collector {
    public let name = "meminfo"
    public let defaultIntervalMilliseconds: Int64 = 1000
    private let file: SourceFile
    private var rows = RowCache<SeriesHandle>()

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/meminfo") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        rows.rewind()
        let before = sink.count
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let key = fields.upTo(UInt8(ascii: ":")), key.count > 0, let value = fields.unsigned() else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            // The unit stands in the line: "kB" or none.
            let isKilobytes = fields.word()?.equals("kB") ?? false
            let row = rows.row(key) { key in
                sink.gauge("node_memory_\(Self.metricName(key))\(isKilobytes ? "_bytes" : "")")
            }
            if let row { sink.append(row, isKilobytes ? Double(value) * 1024 : Double(value)) }
        }
        if sink.count == before { throw .malformed(file.path) }
    }

    /// `Active(anon)` → `Active_anon`; whatever a metric name may not hold becomes `_`.
    static func metricName(_ key: String) -> String {
        var name = ""
        for character in key.unicodeScalars {
            switch character {
            case "a"..."z", "A"..."Z", "0"..."9", "_": name.unicodeScalars.append(character)
            case ")": continue
            default: name.append("_")
            }
        }
        return name
    }
}
