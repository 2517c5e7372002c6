import Telemetry

/// Block devices from `/proc/diskstats` (Documentation/admin-guide/iostats.rst) as `node_disk_*{device}`, and
/// `node_disk_info` with what udev knows. Partitions, loop, ram and floppy devices are left out, as node_exporter does.
///
/// Times are milliseconds divided by 1000, the nearest double; node_exporter multiplies by 0.001, so that its
/// values may differ in the last bit.
public struct DiskCollector: Collector {
    public let name = "diskstats"
    public let defaultIntervalMilliseconds: Int64 = 1000

    private struct Disk {
        /// Empty: an excluded device.
        let handles: [SeriesHandle]
        let name: String
        let number: (major: UInt64, minor: UInt64)
        var info: SeriesHandle
    }
    /// Collections between two looks at what udev knows: it may not have known the disk yet, and a name may have
    /// passed to another disk.
    static let infoPeriod = 300
    /// How a column turns into a value.
    private enum Unit { case count, sectors, milliseconds }

    private let file: SourceFile
    private let udev: String
    private var disks = RowCache<Disk>()
    private var untilInfo = DiskCollector.infoPeriod

    public init(roots: CollectorRoots) {
        file = SourceFile(roots.proc + "/diskstats")
        udev = roots.udev
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        var cursor = ByteCursor(try file.read(into: sink.buffer))
        disks.rewind()
        untilInfo -= 1
        let renewsInfo = untilInfo <= 0
        if renewsInfo { untilInfo = Self.infoPeriod }
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let major = fields.unsigned(), let minor = fields.unsigned(), let device = fields.word() else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            let row = disks.index(device) { [udev] in
                Self.make($0, major, minor, columns: fields, udev: udev, sink)
            }
            guard let row, !disks[row].handles.isEmpty else { continue }
            if renewsInfo || disks[row].number != (major, minor) {
                disks[row] = Disk(
                    handles: disks[row].handles, name: disks[row].name, number: (major, minor),
                    info: Self.info(disks[row].name, major, minor, udev: udev, sink))
            }
            sink.append(disks[row].info, 1.0)
            for (index, handle) in disks[row].handles.enumerated() {
                guard let value = fields.unsigned() else {
                    sink.malformedLines &+= 1
                    break
                }
                switch Self.columns[index].unit {
                case .count: sink.append(handle, value)
                case .sectors: sink.append(handle, Double(value) * 512)
                case .milliseconds: sink.append(handle, Double(value) / 1000)
                }
            }
        }
    }

    private static func make(
        _ device: String, _ major: UInt64, _ minor: UInt64, columns: ByteCursor, udev: String, _ sink: ScrapeSink
    ) -> Disk {
        guard !DeviceFilter.isExcludedDisk(device) else {
            return Disk(handles: [], name: device, number: (major, minor), info: .none)
        }
        // Kernels before 4.18 lack the discard columns, before 5.5 the flush columns.
        var probe = columns
        var present = 0
        while present < Self.columns.count, probe.unsigned() != nil { present += 1 }
        let handles = Self.columns.prefix(present).map { column in
            column.metric == "node_disk_io_now"
                ? sink.gauge(column.metric, Label("device", device))
                : sink.counter(column.metric, Label("device", device))
        }
        return Disk(
            handles: handles, name: device, number: (major, minor), info: info(device, major, minor, udev: udev, sink))
    }

    private static func info(
        _ device: String, _ major: UInt64, _ minor: UInt64, udev: String, _ sink: ScrapeSink
    ) -> SeriesHandle {
        let properties = UdevProperties.read(udev + "/b\(major):\(minor)")
        func property(_ name: String) -> String { properties[name] ?? "" }
        return sink.gauge(
            "node_disk_info", Label("device", device), Label("major", "\(major)"), Label("minor", "\(minor)"),
            Label("path", property("ID_PATH")), Label("wwn", property("ID_WWN")), Label("model", property("ID_MODEL")),
            Label("serial", property("ID_SERIAL_SHORT")), Label("revision", property("ID_REVISION")))
    }

    private static let columns: [(metric: String, unit: Unit)] = [
        ("node_disk_reads_completed_total", .count), ("node_disk_reads_merged_total", .count),
        ("node_disk_read_bytes_total", .sectors), ("node_disk_read_time_seconds_total", .milliseconds),
        ("node_disk_writes_completed_total", .count), ("node_disk_writes_merged_total", .count),
        ("node_disk_written_bytes_total", .sectors), ("node_disk_write_time_seconds_total", .milliseconds),
        ("node_disk_io_now", .count), ("node_disk_io_time_seconds_total", .milliseconds),
        ("node_disk_io_time_weighted_seconds_total", .milliseconds),
        ("node_disk_discards_completed_total", .count), ("node_disk_discards_merged_total", .count),
        ("node_disk_discarded_sectors_total", .count), ("node_disk_discard_time_seconds_total", .milliseconds),
        ("node_disk_flush_requests_total", .count), ("node_disk_flush_requests_time_seconds_total", .milliseconds),
    ]
}
