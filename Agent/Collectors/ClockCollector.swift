import Glibc
import Telemetry

/// The wall clock and how well it is kept: `node_time_*` and, from adjtimex(2), `node_timex_*`.
///
/// `node_time_seconds` is the tick's timestamp. Names of time zones are those of this process.
public struct ClockCollector: Collector {
    public let name = "time"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    private let clocksources: String
    private let read: @Sendable () -> ClockDiscipline?
    private var timexHandles: [SeriesHandle] = []
    private var time: SeriesHandle?

    /// - Parameter read: the kernel's clock discipline; nil where it is forbidden to ask.
    public init(roots: CollectorRoots, read: @escaping @Sendable () -> ClockDiscipline? = ClockDiscipline.read) {
        clocksources = roots.sys + "/devices/system/clocksource"
        self.read = read
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        let time = self.time ?? sink.gauge("node_time_seconds")
        self.time = time
        sink.append(time, Double(sink.timestamp.milliseconds) / 1000)
        collectZone(&sink)
        collectSources(&sink)
        guard let reading = read() else { return }
        if timexHandles.isEmpty {
            timexHandles = Self.timexMetrics.map { metric in
                metric.hasSuffix("_total") ? sink.counter(metric) : sink.gauge(metric)
            }
        }
        for (handle, value) in zip(timexHandles, Self.values(reading)) { sink.append(handle, value) }
    }

    private func collectZone(_ sink: inout ScrapeSink) {
        var seconds = time_t(sink.timestamp.milliseconds / 1000)
        var local = tm()
        guard localtime_r(&seconds, &local) != nil else { return }
        let zone = local.tm_zone.map { String(cString: $0) } ?? "UTC"
        sink.append(sink.gauge("node_time_zone_offset_seconds", Label("time_zone", zone)), Double(local.tm_gmtoff))
    }

    private func collectSources(_ sink: inout ScrapeSink) {
        for directory in Directory.names(clocksources, where: { $0.starts(with: "clocksource") }) ?? [] {
            let device = Label("device", String(directory.dropFirst("clocksource".count)))
            let path = "\(clocksources)/\(directory)"
            for source in sink.buffer.text(path: path + "/available_clocksource")?.split(separator: " ") ?? [] {
                sink.append(
                    sink.gauge("node_time_clocksource_available_info", device, Label("clocksource", String(source))),
                    1.0)
            }
            if let source = sink.buffer.text(path: path + "/current_clocksource") {
                sink.append(
                    sink.gauge("node_time_clocksource_current_info", device, Label("clocksource", source)), 1.0)
            }
        }
    }

    static let timexMetrics = [
        "node_timex_sync_status", "node_timex_offset_seconds", "node_timex_frequency_adjustment_ratio",
        "node_timex_maxerror_seconds", "node_timex_estimated_error_seconds", "node_timex_status",
        "node_timex_loop_time_constant", "node_timex_tick_seconds", "node_timex_pps_frequency_hertz",
        "node_timex_pps_jitter_seconds", "node_timex_pps_shift_seconds", "node_timex_pps_stability_hertz",
        "node_timex_pps_jitter_total", "node_timex_pps_calibration_total", "node_timex_pps_error_total",
        "node_timex_pps_stability_exceeded_total", "node_timex_tai_offset_seconds",
    ]

    /// In the order of ``timexMetrics``. Frequencies are in units of 2^-16 parts per million (adjtimex(2)).
    static func values(_ reading: ClockDiscipline) -> [Double] {
        let divisor = reading.isNanoseconds ? 1e9 : 1e6
        let scaledPartsPerMillion = 1e6 * 65_536
        let clock: [Double] = [
            reading.isSynchronized ? 1 : 0, Double(reading.offset) / divisor,
            1 + Double(reading.frequency) / scaledPartsPerMillion, Double(reading.maximumErrorMicroseconds) / 1e6,
            Double(reading.estimatedErrorMicroseconds) / 1e6, Double(reading.status), Double(reading.constant),
            Double(reading.tickMicroseconds) / 1e6,
        ]
        let pulse: [Double] = [
            Double(reading.pulseFrequency) / scaledPartsPerMillion, Double(reading.pulseJitter) / divisor,
            Double(reading.pulseShift), Double(reading.pulseStability) / scaledPartsPerMillion,
            Double(reading.pulseJitterCount), Double(reading.pulseCalibrationCount), Double(reading.pulseErrorCount),
            Double(reading.pulseStabilityCount),
        ]
        return clock + pulse + [Double(reading.atomicTimeOffset)]
    }
}
