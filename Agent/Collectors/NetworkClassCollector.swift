import Telemetry

/// State of the network devices, `/sys/class/net/*` (Documentation/ABI/testing/sysfs-class-net): `node_network_up`,
/// `node_network_info`, `node_network_mtu_bytes` and the like, and `node_network_receive_nohandler_total`.
public struct NetworkClassCollector: Collector {
    public let name = "netclass"
    public let defaultIntervalMilliseconds: Int64 = 10_000

    private struct Attribute {
        let path: String
        let metric: String
        let scale: Double
        var handle: SeriesHandle?
    }
    private struct Device {
        let name: String
        let path: String
        let up: SeriesHandle
        var attributes: [Attribute]
        var infoText: [String] = []
        var info: SeriesHandle = .none
    }
    private let root: String
    private var devices: [Device] = []

    public init(roots: CollectorRoots) { root = roots.sys + "/class/net" }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        guard let names = Directory.names(root) else { throw .unavailable(root) }
        // "bonding_masters" is a file among the devices.
        let present = names.prefix(RowCache<Device>.capacity).filter { Directory.exists("\(root)/\($0)/ifindex") }
        if devices.map(\.name) != present { devices = present.map { make($0, sink) } }
        for index in devices.indices { collect(&devices[index], &sink) }
    }

    private func collect(_ device: inout Device, _ sink: inout ScrapeSink) {
        let state = sink.buffer.text(path: device.path + "/operstate") ?? ""
        sink.append(device.up, state == "up" ? 1.0 : 0.0)
        let text = Self.infoFiles.map {
            $0 == "operstate" ? state : sink.buffer.text(path: "\(device.path)/\($0)") ?? ""
        }
        if text != device.infoText {
            device.infoText = text
            let labels = zip(Self.infoFiles, text).map { Label($0, $1) } + [Label("device", device.name)]
            device.info = sink.register("node_network_info", labels, .gauge, .unknown)
        }
        sink.append(device.info, 1.0)
        for index in device.attributes.indices {
            // Some read as an error while the device is down or of another kind: no sample then.
            guard let value = sink.buffer.number(path: device.attributes[index].path) else { continue }
            let attribute = device.attributes[index]
            let handle = attribute.handle ?? Self.register(attribute.metric, device.name, sink)
            device.attributes[index].handle = handle
            sink.append(handle, value * attribute.scale)
        }
    }

    private func make(_ name: String, _ sink: ScrapeSink) -> Device {
        let path = "\(root)/\(name)"
        var attributes = Self.files.map { file, metric in
            Attribute(
                path: "\(path)/\(file)", metric: "node_network_" + metric,
                // Megabits per second; -1 where unknown, which node_exporter scales as well.
                scale: file == "speed" ? 125_000 : 1)
        }
        if !DeviceFilter.isExcludedNetworkDevice(name) {
            attributes.append(
                Attribute(
                    path: path + "/statistics/rx_nohandler", metric: "node_network_receive_nohandler_total", scale: 1))
        }
        return Device(
            name: name, path: path, up: sink.gauge("node_network_up", Label("device", name)), attributes: attributes)
    }

    private static func register(_ metric: String, _ device: String, _ sink: ScrapeSink) -> SeriesHandle {
        let label = Label("device", device)
        return metric.hasSuffix("_total") ? sink.counter(metric, label) : sink.gauge(metric, label)
    }

    private static let infoFiles = ["address", "broadcast", "duplex", "operstate", "ifalias"]
    private static let files: [(file: String, metric: String)] = [
        ("addr_assign_type", "address_assign_type"), ("carrier", "carrier"),
        ("carrier_changes", "carrier_changes_total"), ("carrier_up_count", "carrier_up_changes_total"),
        ("carrier_down_count", "carrier_down_changes_total"), ("dev_id", "device_id"), ("dormant", "dormant"),
        ("flags", "flags"), ("ifindex", "iface_id"), ("iflink", "iface_link"), ("link_mode", "iface_link_mode"),
        ("mtu", "mtu_bytes"), ("name_assign_type", "name_assign_type"), ("netdev_group", "net_dev_group"),
        ("speed", "speed_bytes"), ("tx_queue_len", "transmit_queue_length"), ("type", "protocol_type"),
    ]
}
