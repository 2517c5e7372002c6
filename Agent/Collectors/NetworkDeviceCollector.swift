import Telemetry

/// Traffic of the network devices, `/proc/net/dev`, as `node_network_<receive|transmit>_*_total{device}`.
public struct NetworkDeviceCollector: Collector {
    public let name = "netdev"
    public let defaultIntervalMilliseconds: Int64 = 1000
    private let file: SourceFile
    private var devices = RowCache<[SeriesHandle]>()

    public init(roots: CollectorRoots) { file = SourceFile(roots.proc + "/net/dev") }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        guard cursor.line() != nil, cursor.line() != nil else { throw .malformed(file.path) }
        devices.rewind()
        while let line = cursor.line() {
            // The device's name may itself hold a colon (an alias), the counters never do.
            guard let colon = line.lastIndex(of: UInt8(ascii: ":")) else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            let device = Bytes(rebasing: line[..<colon]).trimmed
            var fields = ByteCursor(Bytes(rebasing: line[(colon + 1)...]))
            let handles = devices.row(device) { name in
                DeviceFilter.isExcludedNetworkDevice(name)
                    ? [] : Self.columns.map { sink.counter("node_network_\($0)_total", Label("device", name)) }
            }
            for handle in handles ?? [] {
                guard let value = fields.unsigned() else {
                    sink.malformedLines &+= 1
                    break
                }
                sink.append(handle, value)
            }
        }
    }

    private static let columns = [
        "receive_bytes", "receive_packets", "receive_errs", "receive_drop", "receive_fifo", "receive_frame",
        "receive_compressed", "receive_multicast", "transmit_bytes", "transmit_packets", "transmit_errs",
        "transmit_drop", "transmit_fifo", "transmit_colls", "transmit_carrier", "transmit_compressed",
    ]
}
