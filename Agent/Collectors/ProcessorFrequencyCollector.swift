import Telemetry

/// Clock rates of the processors, `/sys/devices/system/cpu/cpu*/cpufreq` (Documentation/admin-guide/pm/cpufreq.rst):
/// `node_cpu_frequency_*hertz{cpu}` where the hardware tells, `node_cpu_scaling_frequency_*hertz{cpu}`.
public struct ProcessorFrequencyCollector: Collector {
    public let name = "cpufreq"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    private let root: String
    private var untilSearch = 0
    private var attributes: [SensorAttribute] = []

    public init(roots: CollectorRoots) { root = roots.sys + "/devices/system/cpu" }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        if attributes.isEmpty || untilSearch <= 0 {
            attributes = find(sink)
            untilSearch = HardwareMonitorCollector.searchPeriod
        }
        untilSearch -= 1
        guard !attributes.isEmpty else { throw .unavailable(root + "/cpu*/cpufreq") }
        for attribute in attributes { attribute.collect(&sink) }
    }

    private func find(_ sink: ScrapeSink) -> [SensorAttribute] {
        let processors = Directory.names(root) { name in
            name.starts(with: "cpu") && name.count > 3 && name.dropping(3).allSatisfy { (48...57).contains($0) }
        }
        var found: [SensorAttribute] = []
        for processor in (processors ?? []).prefix(RowCache<Int>.capacity) {
            let directory = "\(root)/\(processor)/cpufreq"
            guard Directory.exists(directory) else { continue }
            let cpu = Label("cpu", String(processor.dropFirst(3)))
            for (file, metric) in Self.files where Directory.exists("\(directory)/\(file)") {
                // Kilohertz.
                found.append(
                    SensorAttribute(
                        path: "\(directory)/\(file)", handle: sink.gauge("node_cpu_" + metric, cpu),
                        scale: .multiplied(1000)))
            }
        }
        return found
    }

    private static let files: [(file: String, metric: String)] = [
        ("cpuinfo_cur_freq", "frequency_hertz"), ("cpuinfo_min_freq", "frequency_min_hertz"),
        ("cpuinfo_max_freq", "frequency_max_hertz"), ("scaling_cur_freq", "scaling_frequency_hertz"),
        ("scaling_min_freq", "scaling_frequency_min_hertz"), ("scaling_max_freq", "scaling_frequency_max_hertz"),
    ]
}

/// A number in a sysfs file and the series it feeds.
struct SensorAttribute {
    enum Scale {
        case one
        case multiplied(Double)
        /// Division keeps decimal fractions the nearest double: 42500 / 1000 is 42.5, and 0.1 stays 0.1.
        case divided(Double)
    }
    let path: String
    let handle: SeriesHandle
    let scale: Scale

    /// A sensor that cannot be read at the moment has no sample.
    func collect(_ sink: inout ScrapeSink) {
        guard let value = sink.buffer.number(path: path) else { return }
        switch scale {
        case .one: sink.append(handle, value)
        case .multiplied(let factor): sink.append(handle, value * factor)
        case .divided(let divisor): sink.append(handle, value / divisor)
        }
    }
}
