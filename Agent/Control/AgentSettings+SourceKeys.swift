import RuntimeSupport

/// Keys of what the agent takes in from other programs. None can be set from afar: they name addresses and files of
/// this node.
extension AgentSettings {
    static let sourceKeys: [SettingKey] = [
        duration(
            "sources.interval", \.sources.intervalMilliseconds, 1000...60_000, isRemote: false,
            "between two reports of StatsD, access logs, Icecast and playlists"),
        SettingKey(
            name: "statsd.listen", type: "address:port", standard: "off", range: "numeric address; off for none",
            meaning: "StatsD over UDP, from anybody who can reach the address", isRemote: false
        ) { value, settings in
            if value == "off" {
                settings.sources.statsdListen = ""
                return nil
            }
            guard isNumericEndpoint(value) else { return "is not a numeric address with a port, like 127.0.0.1:8125" }
            settings.sources.statsdListen = value
            return nil
        },
        SettingKey(
            name: "statsd.socket", type: "path", standard: "off", range: "absolute, at most 107 bytes; off for none",
            meaning: "StatsD over a Unix datagram socket", isRemote: false
        ) { value, settings in
            guard value == "off" || (value.hasPrefix("/") && value.utf8.count <= 107) else {
                return "is not an absolute path of up to 107 bytes"
            }
            settings.sources.statsdSocketPath = value == "off" ? "" : value
            return nil
        },
        count(
            "statsd.series-max", \.sources.statsdSeriesMax, 1...10_000,
            "names with their tags; beyond it new ones are dropped"),
    ]

    /// `127.0.0.1:8125`, `[::1]:8125`; the address itself is judged when it is bound.
    private static func isNumericEndpoint(_ text: String) -> Bool {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return false
        }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            return host.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
        }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}
