/// All collectors of an agent, in the order in which they run.
///
/// | interval | collectors |
/// | --- | --- |
/// | 1 s | stat (cpu, interrupts, switches, forks, procs, boot time), meminfo, loadavg, diskstats, netdev |
public enum DefaultCollectors {
    public static func make(roots: CollectorRoots = CollectorRoots()) -> [any Collector] {
        [
            StatCollector(roots: roots), MemoryCollector(roots: roots), LoadCollector(roots: roots),
            DiskCollector(roots: roots), NetworkDeviceCollector(roots: roots),
        ]
    }
}
