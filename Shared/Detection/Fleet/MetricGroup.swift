/// What metrics belong together, by their names; the same on the node and at the centre, so that their findings meet.
package enum MetricGroup: String, CaseIterable, Sendable {
    case cpu, memory, disk, network, streams
    /// Everything else: each metric by itself.
    case metric

    private static let prefixes: [(String, MetricGroup)] = [
        ("node_cpu_", .cpu), ("node_load", .cpu), ("node_pressure_cpu_", .cpu), ("node_context_switches_", .cpu),
        ("node_intr_", .cpu), ("node_forks_", .cpu), ("node_procs_", .cpu), ("node_schedstat_", .cpu),
        ("node_memory_", .memory), ("node_vmstat_", .memory), ("node_pressure_memory_", .memory),
        ("node_disk_", .disk), ("node_filesystem_", .disk), ("node_pressure_io_", .disk), ("node_filefd_", .disk),
        ("node_network_", .network), ("node_netstat_", .network), ("node_sockstat_", .network),
        ("node_softnet_", .network), ("stagebox_stream_", .streams),
    ]
    /// What says nothing of the node's health, or says what time it is.
    private static let unwatched = [
        "stagebox_agent_", "stagebox_anomaly_", "stagebox_detection_", "node_time_", "node_timex_", "node_boot_time_",
        "node_scrape_", "node_uname_", "node_os_", "stagebox_rule_", "stagebox_actions_",
    ]

    /// - Returns: nil for a metric that is not watched.
    package init?(name: String) {
        guard !name.hasSuffix("_info"), !Self.unwatched.contains(where: name.hasPrefix) else { return nil }
        self = Self.prefixes.first { name.hasPrefix($0.0) }?.1 ?? .metric
    }
}
