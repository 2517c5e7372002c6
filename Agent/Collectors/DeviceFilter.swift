/// node_exporter 1.5.0's default exclusions, written out: no regular expressions in the agent.
enum DeviceFilter {
    /// `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
    static func isExcludedDisk(_ device: String) -> Bool {
        let bytes = Array(device.utf8)
        guard let stem = strippingDigits(bytes) else { return false }
        switch String(decoding: stem, as: UTF8.self) {
        case "ram", "loop", "fd": return true
        default: break
        }
        for prefix in ["hd", "sd", "vd", "xvd"] where stem.count == prefix.utf8.count + 1 {
            if stem.starts(with: prefix.utf8), let letter = stem.last, (97...122).contains(letter) { return true }
        }
        // nvme0n1p: "nvme", digits, "n", digits, "p"
        guard stem.last == UInt8(ascii: "p"), let space = strippingDigits(Array(stem.dropLast())),
            space.last == UInt8(ascii: "n"), let controller = strippingDigits(Array(space.dropLast()))
        else { return false }
        return Array("nvme".utf8) == controller
    }

    /// Mount points left out: `^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
    /// (the default of Debian's package).
    static func isExcludedMount(_ path: String) -> Bool {
        for top in ["/dev", "/proc", "/run", "/sys", "/mnt", "/media"] where path.hasPrefix(top) {
            if path.utf8.count == top.utf8.count || path.hasPrefix(top + "/") { return true }
        }
        for store in ["/var/lib/docker/", "/var/lib/containers/storage/"] where path.hasPrefix(store) {
            if path.utf8.count > store.utf8.count { return true }
        }
        return false
    }

    /// Filesystem types left out: those without storage of their own.
    static let excludedTypes: Set<String> = [
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl",
        "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs",
        "selinuxfs", "squashfs", "sysfs", "tracefs",
    ]

    /// Network devices whose traffic is left out of `node_network_*_total`: `^lo$` (Debian's default).
    static func isExcludedNetworkDevice(_ device: String) -> Bool { device == "lo" }

    /// The bytes before a trailing run of digits; nil without such a run.
    private static func strippingDigits(_ bytes: [UInt8]) -> [UInt8]? {
        var end = bytes.count
        while end > 0, (48...57).contains(bytes[end - 1]) { end -= 1 }
        return end == bytes.count ? nil : Array(bytes[..<end])
    }
}
