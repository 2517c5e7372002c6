import Telemetry

/// Room on the mounted filesystems, `/proc/1/mounts` (the host's view, else this process's) and statfs(2):
/// `node_filesystem_<size|free|avail>_bytes`, `_files`, `_files_free`, `_readonly`, `_device_error`, by
/// device, fstype and mountpoint. Mounts and types are left out as node_exporter's defaults in Debian do.
///
/// A local filesystem answers statfs from memory; any other is asked through ``MountProber``, so that a server
/// that is gone costs a device error and never the tick.
public struct FilesystemCollector: Collector {
    public let name = "filesystem"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    /// More mounts than this are left out, the last ones first.
    static let mountsMax = 512
    /// Types whose statfs cannot wait for anything outside this machine's memory.
    static let localTypes: Set<String> = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "exfat", "tmpfs", "ramfs", "zfs", "jfs", "udf",
        "reiserfs", "nilfs2", "bcachefs", "erofs",
    ]

    private struct Mount {
        let path: String
        let isLocal: Bool
        let isReadOnly: Bool
        /// size, free, avail, files, files_free, readonly
        let handles: [SeriesHandle]
        let deviceError: SeriesHandle
    }
    private let tables: [String]
    private let statistics: @Sendable (String) -> FilesystemUsage?
    private let prober: MountProber
    private var lastTable: [UInt8] = []
    private var mounts: [Mount] = []

    /// - Parameter statistics: statfs; nil when the kernel reports an error. May hang.
    public init(
        roots: CollectorRoots, statistics: @escaping @Sendable (String) -> FilesystemUsage? = FilesystemUsage.read
    ) {
        tables = [roots.proc + "/1/mounts", roots.proc + "/mounts"]
        self.statistics = statistics
        prober = MountProber(statistics: statistics)
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        guard let table = sink.buffer.fill(path: tables[0]) ?? sink.buffer.fill(path: tables[1]) else {
            throw .unavailable(tables[1])
        }
        if !table.equals(lastTable) {
            lastTable = Array(table)
            mounts = Self.parse(table, &sink)
        }
        prober.probe(mounts.lazy.filter { !$0.isLocal }.map(\.path))
        for mount in mounts {
            let usage = mount.isLocal ? statistics(mount.path) : prober.result(mount.path)
            sink.append(mount.deviceError, usage == nil ? 1.0 : 0.0)
            guard let usage else { continue }
            let values = [
                usage.sizeBytes, usage.freeBytes, usage.availableBytes, usage.files, usage.filesFree,
                mount.isReadOnly ? 1 : 0,
            ]
            for (handle, value) in zip(mount.handles, values) { sink.append(handle, value) }
        }
    }

    private static func parse(_ table: Bytes, _ sink: inout ScrapeSink) -> [Mount] {
        var mounts: [Mount] = []
        var seen = Set<[String]>()
        var cursor = ByteCursor(table)
        while let line = cursor.line(), mounts.count < mountsMax {
            var fields = ByteCursor(line)
            guard let device = fields.word(), let path = fields.word(), let type = fields.word(),
                let options = fields.word()
            else {
                if !line.trimmed.isEmpty { sink.malformedLines &+= 1 }
                continue
            }
            let identity = [unescaped(device), unescaped(path), type.text]
            guard !DeviceFilter.isExcludedMount(identity[1]), !DeviceFilter.excludedTypes.contains(identity[2]),
                seen.insert(identity).inserted
            else { continue }
            let labels = [
                Label("device", identity[0]), Label("mountpoint", identity[1]), Label("fstype", identity[2]),
            ]
            func gauge(_ suffix: String) -> SeriesHandle {
                sink.register("node_filesystem_" + suffix, labels, .gauge, .unknown)
            }
            mounts.append(
                Mount(
                    path: identity[1], isLocal: localTypes.contains(identity[2]),
                    isReadOnly: options.text.split(separator: ",").contains("ro"),
                    handles: ["size_bytes", "free_bytes", "avail_bytes", "files", "files_free", "readonly"].map(gauge),
                    deviceError: gauge("device_error")))
        }
        return mounts
    }

    /// Resolves `\040` and its like (fstab(5): blank, tab, line feed, backslash).
    static func unescaped(_ field: Bytes) -> String {
        var bytes: [UInt8] = []
        var index = 0
        while index < field.count {
            if field[index] == UInt8(ascii: "\\"), index + 3 < field.count {
                let digits = field[index + 1...index + 3].map { Int($0) - 48 }
                let value = digits[0] * 64 + digits[1] * 8 + digits[2]
                if digits.allSatisfy((0...7).contains), value < 256 {
                    bytes.append(UInt8(value))
                    index += 4
                    continue
                }
            }
            bytes.append(field[index])
            index += 1
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
