/// Where the kernel's files are mounted; tests point it at a tree of fixtures.
public struct CollectorRoots: Sendable {
    /// procfs, `/proc`.
    public var proc: String
    /// sysfs, `/sys`.
    public var sys: String
    /// cgroup v2, `/sys/fs/cgroup`.
    public var cgroup: String
    /// udev's database, `/run/udev/data`: names of disks.
    public var udev: String
    /// Where `os-release` lies, `/etc`.
    public var etc: String

    public init(
        proc: String = "/proc", sys: String = "/sys", cgroup: String = "/sys/fs/cgroup",
        udev: String = "/run/udev/data", etc: String = "/etc"
    ) {
        self.proc = proc
        self.sys = sys
        self.cgroup = cgroup
        self.udev = udev
        self.etc = etc
    }

    /// All below one directory: `root/proc`, `root/sys` …
    public init(below root: String) {
        self.init(
            proc: root + "/proc", sys: root + "/sys", cgroup: root + "/sys/fs/cgroup", udev: root + "/run/udev/data",
            etc: root + "/etc")
    }
}
