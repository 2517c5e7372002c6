import RuntimeSupport
import Sources

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
        SettingKey(
            name: "scrape.files", type: "paths", standard: "off",
            range: "absolute, up to 16 with commas between; off for none",
            meaning: "files that name targets, as Prometheus' file_sd reads (.json, .yml, .yaml); * and ? match names",
            isRemote: false
        ) { value, settings in
            let paths = value == "off" ? [] : list(value)
            guard paths.count <= 16, paths.allSatisfy({ $0.hasPrefix("/") }) else {
                return "is not a list of up to 16 absolute paths"
            }
            settings.sources.scrapeFiles = paths
            return nil
        },
        duration(
            "scrape.interval", \.sources.scrapeIntervalMilliseconds, 1000...600_000, isRemote: false,
            "between two scrapes of a target"),
        duration(
            "scrape.timeout", \.sources.scrapeTimeoutMilliseconds, 100...60_000, isRemote: false,
            "for one scrape; never longer than the interval"),
        SettingKey(
            name: "scrape.job", type: "text", standard: AgentSettings().sources.scrapeJob, range: "1 to 253 bytes",
            meaning: "the job of targets whose file names none", isRemote: false
        ) { value, settings in
            guard (1...253).contains(value.utf8.count) else { return "is empty or longer than 253 bytes" }
            settings.sources.scrapeJob = value
            return nil
        },
        SettingKey(
            name: "scrape.honor-labels", type: "on or off", standard: "off", range: "",
            meaning: "on: a target's own labels win over those of its file", isRemote: false
        ) { value, settings in
            guard let isOn = SettingValue.boolean(value) else { return "is neither on nor off" }
            settings.sources.scrapeHonorsLabels = isOn
            return nil
        },
        bytes(
            "scrape.body-bytes-max", \.sources.scrapeBodyBytesMax, 1024...64 << 20, isRemote: false,
            "of one scrape; a larger one fails"),
        count("scrape.samples-max", \.sources.scrapeSamplesMax, 1...20_000, "of one scrape; one with more fails"),
    ]

    /// Sections whose keys are names or numbers of the node's own choice, for `stagebox-agent keys`.
    package static let sourceSections: [(name: String, documentation: String)] = [
        (
            "scrape-relabel.",
            "scrape-relabel.N (rule, none; N from 1 to 999, up to \(RelabelRule.rulesMax)): \"keep LABEL,… REGEX\" or "
                + "\"drop LABEL,… REGEX\", which targets are scraped; in the order of N"
        ),
        (
            "scrape-metric-relabel.",
            "scrape-metric-relabel.N (rule, none; as before): which samples of a scrape are kept"
        ),
        (
            "access-logs.",
            "access-logs.NAME (FORMAT PATH, none; up to \(namedMax)): a log to follow; FORMAT is nginx or icecast"
        ),
        ("icecast.", "icecast.NAME (address, none; up to \(namedMax)): an Icecast's http://…/status-json.xsl"),
        ("playlists.", "playlists.NAME (address, none; up to \(namedMax)): an HLS playlist's http://… address"),
    ]
    /// Logs, servers and playlists of each kind.
    static let namedMax = 16

    package static func isSourceSection(_ key: String) -> Bool { sourceSections.contains { key.hasPrefix($0.name) } }

    /// Reads one value of a section.
    /// - Returns: what is wrong; nil if it was taken.
    mutating func setSource(_ key: String, _ value: String) -> String? {
        let name = String(key.drop { $0 != "." }.dropFirst())
        switch key.prefix(while: { $0 != "." }) {
        case "scrape-relabel": return Self.setRule(name, value, &sources.targetRules)
        case "scrape-metric-relabel": return Self.setRule(name, value, &sources.sampleRules)
        case "icecast": return Self.setAddress(name, value, &sources.icecastServers)
        case "playlists": return Self.setAddress(name, value, &sources.playlists)
        default: return setAccessLog(name, value)
        }
    }

    private static func setRule(_ name: String, _ value: String, _ rules: inout [Int: RelabelRule]) -> String? {
        guard let number = Int(name), (1...999).contains(number) else { return "is not a number from 1 to 999" }
        guard rules[number] != nil || rules.count < RelabelRule.rulesMax else {
            return "is one rule more than \(RelabelRule.rulesMax)"
        }
        do throws(RelabelRule.Refusal) {
            rules[number] = try RelabelRule(value)
            return nil
        } catch {
            return error.reason
        }
    }

    private static func setAddress(_ name: String, _ value: String, _ known: inout [String: HTTPTarget]) -> String? {
        guard let target = HTTPTarget(value) else { return "is not an address like http://127.0.0.1:8000/path" }
        guard known[name] != nil || known.count < namedMax else { return "is one more than \(namedMax)" }
        known[name] = target
        return nil
    }

    private mutating func setAccessLog(_ name: String, _ value: String) -> String? {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let format = AccessLogFormat(rawValue: String(parts[0])), parts[1].hasPrefix("/") else {
            let formats = AccessLogFormat.allCases.map(\.rawValue).joined(separator: " or ")
            return "is not of the form FORMAT PATH with \(formats) and an absolute path"
        }
        guard name.utf8.count <= 32 else { return "has a name longer than 32 bytes" }
        guard sources.accessLogs[name] != nil || sources.accessLogs.count < Self.namedMax else {
            return "is one more than \(Self.namedMax)"
        }
        sources.accessLogs[name] = SourceSettings.AccessLog(format: format, path: String(parts[1]))
        return nil
    }

    private static func list(_ value: String) -> [String] {
        value.split(separator: ",").map { part in
            var part = part.drop { $0 == " " }
            while part.last == " " { part.removeLast() }
            return String(part)
        }
    }

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
