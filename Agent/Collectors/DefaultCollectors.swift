/// All collectors of an agent, in the order in which they run.
///
/// | interval | collectors |
/// | --- | --- |
/// | 1 s | stat (cpu, interrupts, switches, forks, procs, boot time), meminfo, vmstat, loadavg, diskstats, netdev, netstat, sockstat, softnet, pressure, schedstat, filefd (also entropy, conntrack) |
/// | 10 s | netclass, time (also timex) |
/// | 300 s | uname (also os) |
public enum DefaultCollectors {
    public static func make(roots: CollectorRoots = CollectorRoots()) -> [any Collector] {
        [
            StatCollector(roots: roots), MemoryCollector(roots: roots), VMStatCollector(roots: roots),
            LoadCollector(roots: roots), DiskCollector(roots: roots), NetworkDeviceCollector(roots: roots),
            ProtocolCollector(roots: roots), SocketCollector(roots: roots), SoftnetCollector(roots: roots),
            PressureCollector(roots: roots), SchedulerCollector(roots: roots), KernelLimitCollector(roots: roots),
            NetworkClassCollector(roots: roots), ClockCollector(roots: roots), SystemCollector(roots: roots),
        ]
    }
}
