import Telemetry

/// Sensors of the mainboard, `/sys/class/hwmon` (Documentation/hwmon/sysfs-interface.rst), named as node_exporter
/// does: `node_hwmon_temp_celsius{chip,sensor}`, `node_hwmon_fan_rpm`, `node_hwmon_in_volts` …,
/// `node_hwmon_chip_names`, `node_hwmon_sensor_label`.
///
/// Sensors are looked for every ``searchPeriod`` collections, so that those of a module or device that comes later are
/// found, and at once when none answers any more.
public struct HardwareMonitorCollector: Collector {
    public let name = "hwmon"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    static let attributesMax = 2048
    /// Ten minutes.
    static let searchPeriod = 60
    private let root: String
    private var untilSearch = 0
    private var attributes: [SensorAttribute] = []
    private var labels: [SeriesHandle] = []

    public init(roots: CollectorRoots) { root = roots.sys + "/class/hwmon" }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        if attributes.isEmpty || untilSearch <= 0 {
            find(sink)
            untilSearch = Self.searchPeriod
        }
        untilSearch -= 1
        guard !attributes.isEmpty else { throw .unavailable(root) }
        let before = sink.count
        for attribute in attributes { attribute.collect(&sink) }
        if sink.count == before {
            attributes = []
            return
        }
        for label in labels { sink.append(label, 1.0) }
    }

    private mutating func find(_ sink: ScrapeSink) {
        attributes = []
        labels = []
        for entry in Directory.names(root) ?? [] {
            let path = "\(root)/\(entry)"
            let chip = Label("chip", Self.chipName(path, entry, sink.buffer))
            if let name = sink.buffer.text(path: path + "/name").map(Self.cleaned), !name.isEmpty {
                labels.append(sink.gauge("node_hwmon_chip_names", chip, Label("chip_name", name)))
            }
            // Old drivers keep their sensors with the device; the same file there wins, as in node_exporter.
            var sensors: [String: [String: String]] = [:]
            for directory in [path, path + "/device"] {
                for file in Directory.names(directory) ?? [] {
                    guard let name = HardwareSensorName(file) else { continue }
                    sensors[name.sensor, default: [:]][name.property] = "\(directory)/\(file)"
                }
            }
            for (sensor, files) in sensors.sorted(by: { $0.key < $1.key }) { add(chip, sensor, files, sink) }
        }
    }

    private mutating func add(_ chip: Label, _ sensor: String, _ files: [String: String], _ sink: ScrapeSink) {
        let label = Label("sensor", sensor)
        if let path = files["label"], let text = sink.buffer.text(path: path), !text.isEmpty {
            labels.append(sink.gauge("node_hwmon_sensor_label", chip, label, Label("label", text)))
        }
        for (property, path) in files.sorted(by: { $0.key < $1.key }) where property != "label" {
            guard attributes.count < Self.attributesMax, sink.buffer.number(path: path) != nil else { continue }
            let metric = HardwareSensorMetric(
                type: HardwareSensorName.type(of: sensor), property: property, hasBareValue: files[""] != nil)
            let handle =
                metric.isCounter ? sink.counter(metric.name, chip, label) : sink.gauge(metric.name, chip, label)
            attributes.append(SensorAttribute(path: path, handle: handle, scale: metric.scale))
        }
    }

    /// Stable across boots: where the device sits (`platform_coretemp_0`), else the chip's own name.
    private static func chipName(_ path: String, _ entry: String, _ buffer: ReadBuffer) -> String {
        if let device = Directory.resolved(path + "/device") {
            let parts = device.split(separator: "/").suffix(2).map { cleaned(String($0)) }.filter { !$0.isEmpty }
            if !parts.isEmpty { return parts.joined(separator: "_") }
        }
        if let name = buffer.text(path: path + "/name").map(cleaned), !name.isEmpty { return name }
        return cleaned(entry)
    }

    /// Lower case; what a metric name may not hold becomes `_`, none at either end.
    static func cleaned(_ text: String) -> String {
        var bytes = text.utf8.map { byte -> UInt8 in
            switch byte {
            case 65...90: byte + 32
            case 97...122, 48...57, 58, 95: byte
            default: 95
            }
        }
        while bytes.first == 95 { bytes.removeFirst() }
        while bytes.last == 95 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
