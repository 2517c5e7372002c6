import Telemetry

/// Resources of systemd's units from cgroup v2 (Documentation/admin-guide/cgroup-v2.rst), by unit:
///
/// | series | type | file |
/// | --- | --- | --- |
/// | `stagebox_cgroup_cpu_seconds_total`, `…_cpu_user_…`, `…_cpu_system_…`, `…_cpu_throttled_…` | counter | cpu.stat |
/// | `stagebox_cgroup_memory_bytes`, `stagebox_cgroup_swap_bytes` | gauge | memory.current, memory.swap.current |
/// | `stagebox_cgroup_oom_kills_total` | counter | memory.events |
/// | `stagebox_cgroup_<read|written>_bytes_total`, `stagebox_cgroup_<reads|writes>_total` | counter | io.stat, summed over devices |
/// | `stagebox_cgroup_pressure_<waiting|stalled>_seconds_total{resource}` | counter | cpu|memory|io.pressure |
/// | `stagebox_cgroup_processes` | gauge | pids.current |
///
/// Units are the slices at the top and every `.service` below them. A unit that ends stops having samples; its
/// counters start anew with the next start. Files are opened for each reading: they vanish with their unit, and a
/// thousand open ones would exceed the usual limit.
public struct ServiceCollector: Collector {
    public let name = "cgroup"
    public let defaultIntervalMilliseconds: Int64 = 5000
    static let unitsMax = 256
    /// Slices nest by their names' dashes; systemd's own nest three deep.
    static let depthMax = 6

    private struct Unit {
        let path: String
        let series: ServiceSeries
    }
    private let root: String
    private var units: [Unit] = []
    private var directories: [String] = []

    public init(roots: CollectorRoots) { root = roots.cgroup }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        guard Directory.exists(root + "/cgroup.controllers") else { throw .unavailable(root + "/cgroup.controllers") }
        var found: [String] = []
        find("", depth: 0, &found)
        if found != directories {
            directories = found
            units = found.map { path in
                let unit = path.split(separator: "/").last.map(String.init) ?? path
                return Unit(path: root + path, series: ServiceSeries(unit: unit, sink))
            }
        }
        for unit in units { unit.series.collect(unit.path, &sink) }
    }

    private func find(_ path: String, depth: Int, _ found: inout [String]) {
        guard depth < Self.depthMax, found.count < Self.unitsMax else { return }
        let names = Directory.names(root + path) { name in
            name.count > 6
                && (name.dropping(name.count - 6).equals(".slice")
                    || name.count > 8 && name.dropping(name.count - 8).equals(".service"))
        }
        for name in names ?? [] where found.count < Self.unitsMax {
            let child = "\(path)/\(name)"
            if depth == 0 || name.hasSuffix(".service") { found.append(child) }
            if name.hasSuffix(".slice") { find(child, depth: depth + 1, &found) }
        }
    }
}
