import Glibc
import Telemetry

/// The processes that use most, grouped by command name (`comm`, up to `/` or `:`), from `/proc/<pid>/stat`:
///
/// | series | type | |
/// | --- | --- | --- |
/// | `stagebox_process_group_cpu_seconds_total{group}` | counter | since the agent started; ended processes stay counted, but for what they used after the last look |
/// | `stagebox_process_group_resident_bytes{group}` | gauge | sum; shared pages count in each process |
/// | `stagebox_process_group_processes{group}` | gauge | |
///
/// ``groupsMax`` groups are shown: those with the largest share of cpu time or memory since the last look. Costs
/// about 10 µs per process of the machine, hence the slow interval; at most ``processesMax`` are looked at.
public struct ProcessGroupCollector: Collector {
    public let name = "processes"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    static let groupsMax = 16
    static let processesMax = 4096
    /// Group names remembered at all; a machine that starts programs under ever new names stays bounded.
    static let namesMax = 1024

    private struct Process {
        var startTicks: UInt64
        var cpuTicks: UInt64
        var round: UInt64
    }
    private struct Group {
        var cpuTicks: UInt64 = 0
        var recentTicks: UInt64 = 0
        var residentPages: UInt64 = 0
        var processes: UInt64 = 0
        var handles: [SeriesHandle] = []
    }
    private let root: String
    private var processes: [Int32: Process] = [:]
    private var groups: [String: Group] = [:]
    private var round: UInt64 = 0
    /// When the last look was, in the processes' own time: 1/100 s after boot.
    private var lastLookTicks: UInt64 = 0
    private let pageBytes = Double(max(1, sysconf(Int32(_SC_PAGESIZE))))

    public init(roots: CollectorRoots) { root = roots.proc }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        round += 1
        for name in groups.keys {
            groups[name]?.recentTicks = 0
            groups[name]?.residentPages = 0
            groups[name]?.processes = 0
        }
        var identifiers: [Int32] = []
        let isListed = Directory.forEach(root) { name in
            var digits = ByteCursor(name)
            guard identifiers.count < Self.processesMax, let number = digits.unsigned(), digits.isAtEnd,
                let identifier = Int32(exactly: number)
            else { return }
            identifiers.append(identifier)
        }
        guard isListed else { throw .unavailable(root) }
        for identifier in identifiers {
            // A process may end between the listing and this.
            guard let text = sink.buffer.fill(path: "\(root)/\(identifier)/stat") else { continue }
            guard let status = ProcessStatus(text) else {
                sink.malformedLines &+= 1
                continue
            }
            count(identifier, status)
        }
        processes = processes.filter { $0.value.round == round }
        lastLookTicks = UInt64(max(0, sink.timestamp.milliseconds - sink.starts.boot)) / 10
        show(&sink)
    }

    private mutating func count(_ identifier: Int32, _ status: ProcessStatus) {
        let known = processes[identifier].flatMap { $0.startTicks == status.startTicks ? $0 : nil }
        // What was used before the agent came is not its to count, nor what a process used that is seen for the first
        // time although it ran at the last look (beyond the bound then, or hidden).
        let isNew = round > 1 && status.startTicks >= lastLookTicks
        let before = known?.cpuTicks ?? (isNew ? 0 : status.cpuTicks)
        let used = status.cpuTicks > before ? status.cpuTicks - before : 0
        processes[identifier] = Process(startTicks: status.startTicks, cpuTicks: status.cpuTicks, round: round)
        let name = Self.groupName(status.command)
        guard groups[name] != nil || makeRoom() else { return }
        groups[name, default: Group()].cpuTicks &+= used
        groups[name]?.recentTicks &+= used
        groups[name]?.residentPages &+= status.residentPages
        groups[name]?.processes &+= 1
    }

    /// Names of programs that were not seen at this look give way, those that were never shown first.
    private mutating func makeRoom() -> Bool {
        if groups.count < Self.namesMax { return true }
        groups = groups.filter { $0.value.processes > 0 || !$0.value.handles.isEmpty }
        if groups.count >= Self.namesMax { groups = groups.filter { $0.value.processes > 0 } }
        return groups.count < Self.namesMax
    }

    private mutating func show(_ sink: inout ScrapeSink) {
        let live = groups.filter { $0.value.processes > 0 }
        let ticks = max(1, live.values.reduce(0.0) { $0 + Double($1.recentTicks) })
        let pages = max(1, live.values.reduce(0.0) { $0 + Double($1.residentPages) })
        let ranked = live.map {
            (name: $0.key, share: max(Double($0.value.recentTicks) / ticks, Double($0.value.residentPages) / pages))
        }
        .sorted { $0.share == $1.share ? $0.name < $1.name : $0.share > $1.share }
        for name in ranked.prefix(Self.groupsMax).map(\.name).sorted() {
            guard var group = groups[name] else { continue }
            if group.handles.isEmpty {
                let label = Label("group", name)
                group.handles = [
                    sink.register("stagebox_process_group_cpu_seconds_total", [label], .counter, .process),
                    sink.gauge("stagebox_process_group_resident_bytes", label),
                    sink.gauge("stagebox_process_group_processes", label),
                ]
                groups[name] = group
            }
            sink.append(group.handles[0], Double(group.cpuTicks) / StatCollector.ticksPerSecond)
            sink.append(group.handles[1], Double(group.residentPages) * pageBytes)
            sink.append(group.handles[2], group.processes)
        }
    }

    /// `kworker/0:1-events` → `kworker`; control characters and blanks become `_`.
    static func groupName(_ command: Bytes) -> String {
        let end = command.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") } ?? command.count
        let name = command[..<max(end, min(1, command.count))].map { $0 <= 32 || $0 == 127 ? UInt8(ascii: "_") : $0 }
        return String(decoding: name, as: UTF8.self)
    }
}
