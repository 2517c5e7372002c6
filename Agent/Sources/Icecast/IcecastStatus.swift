import JSON
public import Telemetry

/// Icecast's `status-json.xsl`; `server` is its name in the settings.
///
/// | series | of |
/// | --- | --- |
/// | `icecast_up{server}` | 1 if the page was fetched and read |
/// | `icecast_sources{server}`, `icecast_server_start_time_seconds{server}` | the server |
/// | `icecast_listeners`, `icecast_listener_peak`, `icecast_source_bitrate_bits_per_second`, `icecast_source_start_time_seconds`, `{server,mount}` | each mount, as far as it says |
///
/// Bound: ``mountsMax`` mounts; further ones are dropped and counted.
public struct IcecastStatus: PolledDocument {
    public static let source = "icecast"
    public static let mountsMax = 200
    private static let depthMax = 8

    public struct Mount: Sendable, Equatable {
        public var name = ""
        public var listeners: Double?
        public var listenerPeak: Double?
        public var bitsPerSecond: Double?
        public var start: Timestamp?
        public init() {}
    }

    public private(set) var mounts: [Mount] = []
    public private(set) var serverStart: Timestamp?
    private let labels: [Label]
    private var drops = DropCounts()

    public init(name: String) { labels = [Label("server", name)] }

    public var accept: String { "application/json" }

    public mutating func begin() {
        mounts = []
        serverStart = nil
    }

    public mutating func take(_ answer: HTTPAnswer, from address: HTTPTarget) throws(PolledFault) -> HTTPTarget? {
        var fault: JSONError?
        answer.body.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes, depthMax: Self.depthMax)
            do throws(JSONError) { try readDocument(&reader) } catch { fault = error }
        }
        if let fault { throw PolledFault("the status is not JSON: \(fault)") }
        return nil
    }

    private mutating func readDocument(_ reader: inout JSONReader) throws(JSONError) {
        try reader.enterObject()
        while let key = try reader.nextKey() {
            guard reader.matches(key, "icestats"), try reader.peekKind() == .object else {
                try reader.skipValue()
                continue
            }
            try reader.enterObject()
            while let key = try reader.nextKey() {
                if reader.matches(key, "source") {
                    try readSources(&reader)
                } else if reader.matches(key, "server_start_iso8601") {
                    serverStart = try Self.text(&reader).flatMap { ForeignTime.parse($0) }
                } else {
                    try reader.skipValue()
                }
            }
        }
    }

    /// One object for one mount, an array for several.
    private mutating func readSources(_ reader: inout JSONReader) throws(JSONError) {
        switch try reader.peekKind() {
        case .object: try readSource(&reader)
        case .array:
            try reader.enterArray()
            while try reader.nextElement() {
                if try reader.peekKind() == .object { try readSource(&reader) } else { try reader.skipValue() }
            }
        default: try reader.skipValue()
        }
    }

    private mutating func readSource(_ reader: inout JSONReader) throws(JSONError) {
        var mount = Mount()
        var kilobits: Double?
        try reader.enterObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "listenurl") {
                mount.name = Self.path(try Self.text(&reader) ?? "")
            } else if reader.matches(key, "listeners") {
                mount.listeners = try Self.number(&reader)
            } else if reader.matches(key, "listener_peak") {
                mount.listenerPeak = try Self.number(&reader)
            } else if reader.matches(key, "bitrate") || reader.matches(key, "ice-bitrate") {
                kilobits = try Self.number(&reader) ?? kilobits
            } else if reader.matches(key, "stream_start_iso8601") {
                mount.start = try Self.text(&reader).flatMap { ForeignTime.parse($0) }
            } else {
                try reader.skipValue()
            }
        }
        mount.bitsPerSecond = kilobits.map { $0 * 1000 }
        guard !mount.name.isEmpty, mount.name.utf8.count <= AccessLogSummary.mountBytesMax else {
            return drops.add(.malformed)
        }
        guard mounts.count < Self.mountsMax else { return drops.add(.seriesLimit) }
        mounts.append(mount)
    }

    /// `http://host:8000/live.mp3` is the mount `/live.mp3`.
    private static func path(_ address: String) -> String {
        let parts = address.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].hasSuffix(":"), parts[1].isEmpty else {
            return address.hasPrefix("/") ? address : ""
        }
        return String(parts[2].drop { $0 != "/" })
    }

    private static func text(_ reader: inout JSONReader) throws(JSONError) -> String? {
        guard try reader.peekKind() == .string else {
            try reader.skipValue()
            return nil
        }
        let token = try reader.scanString()
        return try? reader.decode(token)  // what cannot be decoded says nothing
    }

    /// Older servers quote numbers.
    private static func number(_ reader: inout JSONReader) throws(JSONError) -> Double? {
        switch try reader.peekKind() {
        case .number: return try reader.readNumber().doubleValue
        case .string: return try text(&reader).flatMap { SourceNumber.parse($0.utf8) }
        default:
            try reader.skipValue()
            return nil
        }
    }

    public mutating func readings(isUp: Bool, now: Timestamp, monotonicMilliseconds: Int64) -> [SourceReading] {
        func gauge(_ name: String, _ value: Double, _ more: [Label] = []) -> SourceReading {
            SourceReading(SeriesKey(name: "icecast_\(name)", labels: labels + more), .gauge, value)
        }
        guard isUp else { return [gauge("up", 0)] }
        var readings = [gauge("up", 1), gauge("sources", Double(mounts.count))]
        if let serverStart {
            readings.append(gauge("server_start_time_seconds", Double(serverStart.milliseconds) / 1000))
        }
        for mount in mounts {
            let label = [Label("mount", mount.name)]
            let values = [
                ("listeners", mount.listeners), ("listener_peak", mount.listenerPeak),
                ("source_bitrate_bits_per_second", mount.bitsPerSecond),
                ("source_start_time_seconds", mount.start.map { Double($0.milliseconds) / 1000 }),
            ]
            for (name, value) in values { if let value { readings.append(gauge(name, value, label)) } }
        }
        return readings
    }

    public mutating func takeDrops() -> DropCounts { drops.take() }
}
