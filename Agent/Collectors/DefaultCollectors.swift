/// All collectors of an agent, in the order in which they run.
///
/// | interval | collectors |
/// | --- | --- |
/// | 1 s | stat (cpu, interrupts, switches, forks, procs, boot time), meminfo, vmstat, loadavg, diskstats, netdev |
/// | 1 s | netstat, sockstat, softnet, pressure, schedstat, filefd (also entropy and tracked connections) |
/// | 5 s | cgroup |
/// | 10 s | netclass, time (also timex), cpufreq, thermal_zone, hwmon, filesystem, processes, agent |
/// | 10 s | collectors (the runner's own), losses (``OwnMetricsCollector``, added by the agent) |
/// | 300 s | uname (also os) |
public enum DefaultCollectors {
    public static func make(roots: CollectorRoots = CollectorRoots()) -> [any Collector] {
        [
            StatCollector(roots: roots), MemoryCollector(roots: roots), VMStatCollector(roots: roots),
            LoadCollector(roots: roots), DiskCollector(roots: roots), NetworkDeviceCollector(roots: roots),
            ProtocolCollector(roots: roots), SocketCollector(roots: roots), SoftnetCollector(roots: roots),
            PressureCollector(roots: roots), SchedulerCollector(roots: roots), KernelLimitCollector(roots: roots),
            ServiceCollector(roots: roots), NetworkClassCollector(roots: roots), ClockCollector(roots: roots),
            SystemCollector(roots: roots), ProcessorFrequencyCollector(roots: roots), ThermalCollector(roots: roots),
            HardwareMonitorCollector(roots: roots), SelfCollector(roots: roots), ProcessGroupCollector(roots: roots),
            FilesystemCollector(roots: roots),
        ]
    }
}
