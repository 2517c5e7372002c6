import Glibc

/// Sockets in use, `/proc/net/sockstat` and `sockstat6`, as `node_sockstat_<protocol>_<field>`; `mem` also in bytes.
public struct SocketCollector: Collector {
    public let name = "sockstat"
    public let defaultIntervalMilliseconds: Int64 = 1000

    private struct Field {
        let name: [UInt8]
        let handle: SeriesHandle
        let bytes: SeriesHandle?
    }
    private let files: [SourceFile]
    private var protocols = RowCache<[Field]>()
    private let pageBytes = Double(max(1, sysconf(Int32(_SC_PAGESIZE))))
    private var hasSixth = true

    public init(roots: CollectorRoots) {
        files = [SourceFile(roots.proc + "/net/sockstat"), SourceFile(roots.proc + "/net/sockstat6")]
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        protocols.rewind()
        collect(try files[0].read(into: sink.buffer), &sink)
        guard hasSixth else { return }
        do { collect(try files[1].read(into: sink.buffer), &sink) } catch {
            guard case .unavailable = error else { throw error }
            hasSixth = false
        }
    }

    private mutating func collect(_ text: Bytes, _ sink: inout ScrapeSink) {
        var cursor = ByteCursor(text)
        while let line = cursor.line() {
            var words = ByteCursor(line)
            guard let key = words.upTo(UInt8(ascii: ":")) else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            let fields = protocols.row(key) { Self.fields($0, words, sink) } ?? []
            for field in fields {
                guard let name = words.word(), name.equals(field.name), let value = words.unsigned() else {
                    sink.malformedLines &+= 1
                    break
                }
                sink.append(field.handle, value)
                if let bytes = field.bytes { sink.append(bytes, Double(value) * pageBytes) }
            }
        }
    }

    private static func fields(_ group: String, _ words: ByteCursor, _ sink: ScrapeSink) -> [Field] {
        var words = words
        var fields: [Field] = []
        let group = MemoryCollector.metricName(group)
        while let name = words.word(), words.unsigned() != nil {
            let metric = "node_sockstat_\(group)_\(MemoryCollector.metricName(name.text))"
            fields.append(
                Field(
                    name: Array(name), handle: sink.gauge(metric),
                    bytes: name.equals("mem") ? sink.gauge(metric + "_bytes") : nil))
        }
        return fields
    }
}
