public import Telemetry

/// Adds the lines of one access log up between two reports; `log` is its name in the settings.
///
/// | series | of |
/// | --- | --- |
/// | `access_log_requests_total{log,status}` | every line, by class: `1xx` to `5xx`, `other` |
/// | `access_log_response_bytes_total{log}` | every line |
/// | `access_log_request_seconds{log}` (summary) | nginx with `$request_time` at the end |
/// | `access_log_mount_requests_total`, `access_log_mount_bytes_total`, `{log,mount}` | Icecast's listeners |
/// | `access_log_listener_seconds_total{log,mount}` | the same: how long all of them listened |
/// | `access_log_session_seconds{log,mount}` (summary) | the same: how long each of them listened |
///
/// A listener is a GET that was answered with 2xx and is none of Icecast's own pages. Bound: ``mountsMax`` mounts; the
/// others are the mount `other`.
public struct AccessLogSummary: Sendable {
    public static let mountsMax = 100
    public static let mountBytesMax = 200
    private static let classes = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"]
    private static let otherMount = "other"

    private struct Mount: Sendable {
        var keys: [SeriesKey]
        var summaryKeys: [SeriesKey]
        var requests = 0.0
        var bytes = 0.0
        var seconds = 0.0
        var sketch = QuantileSketch()
        var startMilliseconds: Int64
    }

    private let format: AccessLogFormat
    private let labels: [Label]
    private let startMilliseconds: Int64
    private let classKeys: [SeriesKey]
    private let bytesKey: SeriesKey
    private let latencyKeys: [SeriesKey]
    private var requests = [Double](repeating: 0, count: AccessLogSummary.classes.count)
    private var bytes = 0.0
    private var latency = QuantileSketch()
    private var latencySum = 0.0
    private var latencyCount = 0.0
    private var mounts: [String: Mount] = [:]
    private var mountOrder: [String] = []
    public private(set) var drops = DropCounts()
    public private(set) var lineCount = 0

    public init(name: String, format: AccessLogFormat, start: Timestamp) {
        self.format = format
        labels = [Label("log", name)]
        startMilliseconds = start.milliseconds
        classKeys = Self.classes.map {
            SeriesKey(name: "access_log_requests_total", labels: [Label("log", name), Label("status", $0)])
        }
        bytesKey = SeriesKey(name: "access_log_response_bytes_total", labels: labels)
        latencyKeys = SummaryReadings.keys("access_log_request_seconds", labels)
    }

    public mutating func add(line: UnsafeRawBufferPointer, now: Timestamp) {
        var line = line
        if line.last == 0x0d { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
        guard let entry = AccessLogLine(line) else { return drops.add(.malformed) }
        lineCount += 1
        requests[(100..<600).contains(entry.status) ? entry.status / 100 - 1 : 5] += 1
        bytes += entry.bytes
        switch format {
        case .nginx:
            guard let seconds = entry.seconds else { return }
            latency.add(seconds)
            latencySum += seconds
            latencyCount += 1
        case .icecast:
            guard let seconds = entry.seconds, Self.isListener(entry) else { return }
            listen(entry, seconds, now)
        }
    }

    private static let ownPages = [".xsl", ".css", ".png", ".ico", ".js", ".html", ".txt"].map { Array($0.utf8) }

    private static func isListener(_ entry: AccessLogLine) -> Bool {
        let path = entry.path
        return entry.method.elementsEqual("GET".utf8) && (200..<300).contains(entry.status) && path.count > 1
            && path.first == UInt8(ascii: "/") && !path.starts(with: "/admin/".utf8)
            && !ownPages.contains { path.suffix($0.count).elementsEqual($0) }
    }

    private mutating func listen(_ entry: AccessLogLine, _ seconds: Double, _ now: Timestamp) {
        var name = entry.path.count > Self.mountBytesMax ? Self.otherMount : String(decoding: entry.path, as: UTF8.self)
        if mounts[name] == nil, mounts.count >= Self.mountsMax { name = Self.otherMount }
        if mounts[name] == nil {
            let labels = labels + [Label("mount", name)]
            mounts[name] = Mount(
                keys: ["mount_requests", "mount_bytes", "listener_seconds"].map {
                    SeriesKey(name: "access_log_\($0)_total", labels: labels)
                }, summaryKeys: SummaryReadings.keys("access_log_session_seconds", labels),
                startMilliseconds: max(startMilliseconds, now.milliseconds - 1))
            mountOrder.append(name)
        }
        mounts[name]?.requests += 1
        mounts[name]?.bytes += entry.bytes
        mounts[name]?.seconds += seconds
        mounts[name]?.sketch.add(seconds)
    }

    /// What stands at the end of an interval; quantiles begin anew.
    public mutating func report() -> [SourceReading] {
        var readings: [SourceReading] = []
        func count(_ key: SeriesKey, _ value: Double, _ start: Int64) {
            readings.append(SourceReading(key, .counter, value, startMilliseconds: start))
        }
        for (index, key) in classKeys.enumerated() where requests[index] > 0 || (1...4).contains(index) {
            count(key, requests[index], startMilliseconds)
        }
        count(bytesKey, bytes, startMilliseconds)
        if latencyCount > 0 {
            readings += SummaryReadings.readings(latencyKeys, latency, latencySum, latencyCount, startMilliseconds)
            latency.removeAll()
        }
        for name in mountOrder {
            guard let mount = mounts[name] else { continue }
            for (key, value) in zip(mount.keys, [mount.requests, mount.bytes, mount.seconds]) {
                count(key, value, mount.startMilliseconds)
            }
            readings += SummaryReadings.readings(
                mount.summaryKeys, mount.sketch, mount.seconds, mount.requests, mount.startMilliseconds)
            mounts[name]?.sketch.removeAll()
        }
        return readings
    }

    public mutating func takeDrops() -> DropCounts { drops.take() }
    public mutating func add(_ more: DropCounts) { drops.merge(more) }
    public mutating func takeLineCount() -> Int {
        defer { lineCount = 0 }
        return lineCount
    }
}
