import Glibc
import Telemetry

/// What this agent itself uses, from `/proc/self`: `stagebox_agent_cpu_seconds_total`, `_resident_bytes`,
/// `_private_bytes` (smaps_rollup), `_virtual_bytes`, `_threads`, `_open_files`, `_read_bytes_total`,
/// `_written_bytes_total` (io: what reached the disk).
public struct SelfCollector: Collector {
    public let name = "agent"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    private let root: String
    private var handles: [SeriesHandle] = []
    private let pageBytes = Double(max(1, sysconf(Int32(_SC_PAGESIZE))))

    public init(roots: CollectorRoots) { root = roots.proc + "/self" }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        guard let text = sink.buffer.fill(path: root + "/stat") else { throw .unavailable(root + "/stat") }
        guard let status = ProcessStatus(text) else { throw .malformed(root + "/stat") }
        if handles.isEmpty { register(sink) }
        sink.append(handles[0], Double(status.cpuTicks) / StatCollector.ticksPerSecond)
        sink.append(handles[1], Double(status.residentPages) * pageBytes)
        sink.append(handles[2], status.virtualBytes)
        sink.append(handles[3], status.threads)
        if let text = sink.buffer.fill(path: root + "/smaps_rollup") {
            let clean = Self.value("Private_Clean:", text) ?? 0
            let dirty = Self.value("Private_Dirty:", text) ?? 0
            sink.append(handles[4], Double(clean &+ dirty) * 1024)
        }
        if let text = sink.buffer.fill(path: root + "/io") {
            if let bytes = Self.value("read_bytes:", text) { sink.append(handles[5], bytes) }
            if let bytes = Self.value("write_bytes:", text) { sink.append(handles[6], bytes) }
        }
        var files = 0
        if Directory.forEach(root + "/fd", { _ in files += 1 }) { sink.append(handles[7], Double(files)) }
    }

    private mutating func register(_ sink: ScrapeSink) {
        func counter(_ name: String) -> SeriesHandle {
            sink.register("stagebox_agent_\(name)_total", [], .counter, .process)
        }
        func gauge(_ name: String) -> SeriesHandle { sink.gauge("stagebox_agent_" + name) }
        handles = [
            counter("cpu_seconds"), gauge("resident_bytes"), gauge("virtual_bytes"), gauge("threads"),
            gauge("private_bytes"), counter("read_bytes"), counter("written_bytes"), gauge("open_files"),
        ]
    }

    /// The number after `key` at the start of a line.
    private static func value(_ key: StaticString, _ text: Bytes) -> UInt64? {
        var cursor = ByteCursor(text)
        while let line = cursor.line() {
            guard line.starts(with: key) else { continue }
            var fields = ByteCursor(line.dropping(key.utf8CodeUnitCount))
            return fields.unsigned()
        }
        return nil
    }
}
