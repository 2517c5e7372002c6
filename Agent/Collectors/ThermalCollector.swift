import Telemetry

/// Thermal zones and cooling devices, `/sys/class/thermal` (Documentation/driver-api/thermal/sysfs-api.rst):
/// `node_thermal_zone_temp{zone,type}` in degrees Celsius, `node_cooling_device_<cur|max>_state{name,type}`.
public struct ThermalCollector: Collector {
    public let name = "thermal_zone"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    private let root: String
    private var untilSearch = 0
    private var attributes: [SensorAttribute] = []

    public init(roots: CollectorRoots) { root = roots.sys + "/class/thermal" }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        if attributes.isEmpty || untilSearch <= 0 {
            attributes = find(sink)
            untilSearch = HardwareMonitorCollector.searchPeriod
        }
        untilSearch -= 1
        guard !attributes.isEmpty else { throw .unavailable(root) }
        let before = sink.count
        for attribute in attributes { attribute.collect(&sink) }
        // Nothing answers any more: look again next time.
        if sink.count == before { attributes = [] }
    }

    private func find(_ sink: ScrapeSink) -> [SensorAttribute] {
        var found: [SensorAttribute] = []
        for entry in (Directory.names(root) ?? []).prefix(RowCache<Int>.capacity) {
            let path = "\(root)/\(entry)"
            guard let type = sink.buffer.text(path: path + "/type") else { continue }
            if entry.hasPrefix("thermal_zone") {
                let handle = sink.gauge(
                    "node_thermal_zone_temp", Label("zone", String(entry.dropFirst("thermal_zone".count))),
                    Label("type", type))
                found.append(SensorAttribute(path: path + "/temp", handle: handle, scale: .divided(1000)))
            } else if entry.hasPrefix("cooling_device") {
                let name = Label("name", String(entry.dropFirst("cooling_device".count)))
                for state in ["cur_state", "max_state"] {
                    let handle = sink.gauge("node_cooling_device_\(state)", name, Label("type", type))
                    found.append(SensorAttribute(path: "\(path)/\(state)", handle: handle, scale: .one))
                }
            }
        }
        return found
    }
}
