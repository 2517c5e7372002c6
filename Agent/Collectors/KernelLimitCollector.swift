/// Open files, entropy and tracked connections, one small file each under `/proc/sys`:
/// `node_filefd_allocated`, `node_filefd_maximum`, `node_entropy_available_bits`, `node_entropy_pool_size_bits`,
/// `node_nf_conntrack_entries`, `node_nf_conntrack_entries_limit` (where connections are tracked).
public struct KernelLimitCollector: Collector {
    public let name = "filefd"
    public let defaultIntervalMilliseconds: Int64 = 1000

    private struct Source {
        let file: SourceFile
        /// The metric of each column, nil where a column is skipped.
        let metrics: [String?]
        var handles: [SeriesHandle?] = []
        /// Collections for which it is not looked for again.
        var absence = 0
    }
    /// A module that is loaded later (conntrack) is found within five minutes.
    static let absenceMax = 300
    private var sources: [Source]

    public init(roots: CollectorRoots) {
        let files: [(String, [String?])] = [
            ("/sys/fs/file-nr", ["node_filefd_allocated", nil, "node_filefd_maximum"]),
            ("/sys/kernel/random/entropy_avail", ["node_entropy_available_bits"]),
            ("/sys/kernel/random/poolsize", ["node_entropy_pool_size_bits"]),
            ("/sys/net/netfilter/nf_conntrack_count", ["node_nf_conntrack_entries"]),
            ("/sys/net/netfilter/nf_conntrack_max", ["node_nf_conntrack_entries_limit"]),
        ]
        sources = files.map { Source(file: SourceFile(roots.proc + $0.0), metrics: $0.1) }
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        for index in sources.indices {
            if sources[index].absence > 0 {
                sources[index].absence -= 1
                continue
            }
            let text: Bytes
            do { text = try sources[index].file.read(into: sink.buffer) } catch {
                guard case .unavailable = error else { throw error }
                sources[index].absence = Self.absenceMax
                continue
            }
            if sources[index].handles.isEmpty {
                sources[index].handles = sources[index].metrics.map { $0.map { sink.gauge($0) } }
            }
            var cursor = ByteCursor(text.trimmed)
            for handle in sources[index].handles {
                guard let value = cursor.unsigned() else {
                    sink.malformedLines &+= 1
                    break
                }
                if let handle { sink.append(handle, value) }
            }
        }
    }
}
