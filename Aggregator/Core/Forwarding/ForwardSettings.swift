import MQTT
import PromQL
import RuntimeSupport
package import Store
package import Telemetry

/// Where a tenant's samples are handed on to: `remote-write.<tenant>.<key>` of the aggregator's settings.
package struct ForwardSettings: Sendable {
    /// One key: what it means, and how its text becomes part of the settings.
    struct Key: Sendable {
        let name: String
        let type: String
        let standard: String
        let meaning: String
        /// - Returns: what is wrong with the text; nil when it was taken.
        let apply: @Sendable (inout ForwardSettings, String) -> String?
    }

    /// How bodies are compressed.
    package enum Encoding: String, Sendable, CaseIterable {
        /// As remote write 1.0 has it.
        case snappy
        /// As a relay's agent takes it.
        case zstd
    }

    /// Which listening events are handed on.
    package enum Events: String, Sendable, CaseIterable {
        case off
        case on
        /// Without who listened: user, version of the pseudonym key and session are left out.
        case withoutUsers = "without-users"
    }

    package var url = ""
    package var encoding = Encoding.snappy
    /// Whose first word goes into `Authorization: Bearer`; read at each request, so that it may be renewed.
    package var tokenPath: String?
    /// Certificate authorities in PEM that vouch for the receiver.
    package var authorityPath = "/etc/ssl/certs/ca-certificates.crt"
    /// Series that are handed on; empty: all.
    package var matchers: [LabelMatcher] = []
    package var samplesPerSend = 5000
    /// What may wait beside level 0 while the receiver does not answer.
    package var backlogBytes = 1 << 30
    package var timeoutSeconds = 30
    /// nil: if the receiver is a relay's agent at its usual path.
    package var handsOnFindings: Bool?
    package var events = Events.off

    package init() {}

    /// Whether the receiver is a relay's agent.
    package var isRelayed: Bool { encoding == .zstd }
    /// What is handed on beside samples.
    package var lanes: Set<ForwardLane> {
        var lanes: Set<ForwardLane> = []
        if handsOnFindings ?? (isRelayed && url.hasSuffix(RemoteWriteTarget.writePath)) { lanes.insert(.findings) }
        if events != .off { lanes.insert(.events) }
        return lanes
    }

    static let keys: [Key] = [
        Key(
            name: "url", type: "http(s)://HOST[:PORT]/PATH", standard: "none",
            meaning: "that takes Prometheus remote write 1.0"
        ) { settings, text in
            guard RemoteWriteTarget(text) != nil else { return "use http://host:port/path or https://host/path" }
            settings.url = text
            return nil
        },
        Key(
            name: "encoding", type: "snappy, zstd", standard: "snappy",
            meaning: "of bodies; zstd for an agent that is enrolled as a relay"
        ) { settings, text in
            guard let encoding = Encoding(rawValue: text) else { return "use snappy or zstd" }
            settings.encoding = encoding
            return nil
        },
        Key(
            name: "findings", type: "on, off", standard: "on to a relay, else off",
            meaning: "whether findings are handed on, with whose they are; to a relay only"
        ) { settings, text in
            guard text == "on" || text == "off" else { return "use on or off" }
            settings.handsOnFindings = text == "on"
            return nil
        },
        Key(
            name: "events", type: "off, on, without-users", standard: "off",
            meaning: "whether listening events are handed on, with or without who listened; to a relay only"
        ) { settings, text in
            guard let events = Events(rawValue: text) else { return "use off, on or without-users" }
            settings.events = events
            return nil
        },
        Key(
            name: "bearer-token-file", type: "path", standard: "none",
            meaning: "holds the token that is sent; needs https, or a receiver on this machine"
        ) {
            $0.tokenPath = $1
            return $1.isEmpty ? "name a file" : nil
        },
        Key(
            name: "ca-file", type: "path", standard: "/etc/ssl/certs/ca-certificates.crt",
            meaning: "authorities in PEM that vouch for the receiver"
        ) {
            $0.authorityPath = $1
            return $1.isEmpty ? "name a file" : nil
        },
        Key(name: "match", type: "series selector", standard: "all", meaning: "which series are sent") {
            settings, text in
            do { settings.matchers = try Parser.parseSelector(text) } catch {
                // "All but" is a choice here, though it is none in a query: every series has a name.
                guard text.hasPrefix("{"),
                    let matchers = try? Parser.parseSelector("{__name__!=\"\"," + text.dropFirst())
                else { return "is no selector: \(error)" }
                settings.matchers = matchers
            }
            return nil
        },
        Key(
            name: "max-samples-per-send", type: "1 to 100000", standard: "5000", meaning: "samples of one request"
        ) { settings, text in
            guard let count = Int(text), (1...100_000).contains(count) else { return "use 1 to 100000" }
            settings.samplesPerSend = count
            return nil
        },
        Key(
            name: "backlog", type: "bytes", standard: "1 GiB",
            meaning:
                "of samples, and again of events: what may wait on disk beside level 0 while the receiver does not "
                + "answer; the oldest goes first"
        ) { settings, text in
            guard let bytes = SettingValue.bytes(text), bytes >= 1 << 20 else { return "use 1 MiB or more" }
            settings.backlogBytes = bytes
            return nil
        },
        Key(name: "timeout", type: "1 s to 300 s", standard: "30 s", meaning: "of connecting and of each answer") {
            settings, text in
            guard let milliseconds = SettingValue.duration(text), (1000...300_000).contains(milliseconds) else {
                return "use 1 s to 300 s"
            }
            settings.timeoutSeconds = Int(milliseconds / 1000)
            return nil
        },
    ]

    /// What is missing or does not go together, with the key that it is told at.
    var problem: (key: String, text: String)? {
        guard let target = RemoteWriteTarget(url) else { return ("url", "is missing") }
        guard tokenPath == nil || target.address.isTLS || target.address.isLoopback else {
            return ("bearer-token-file", "would show the token to the network: use https")
        }
        guard lanes.isEmpty || isRelayed else {
            return (
                events == .off ? "findings" : "events",
                "go to an agent that is enrolled as a relay only, with encoding: zstd"
            )
        }
        guard lanes.isEmpty || target.path.hasSuffix(RemoteWriteTarget.writePath) else {
            return ("url", "of a relay ends with \(RemoteWriteTarget.writePath)")
        }
        return nil
    }
}

/// An address with its path.
struct RemoteWriteTarget: Sendable, Hashable {
    let address: HTTPExchange.Address
    /// Begins with a slash.
    let path: String

    static let writePath = "/api/v1/write"

    /// Where a relay takes events or findings.
    func path(of lane: ForwardLane) -> String {
        (path.hasSuffix(Self.writePath) ? String(path.dropLast(Self.writePath.count)) : "")
            + "/api/v1/relay/\(lane.rawValue)"
    }

    init?(_ url: String) {
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !url.contains("@"), !url.contains("#"),
            let address = try? HTTPExchange.Address(url), let scheme = url.firstRange(of: "://")
        else { return nil }
        self.address = address
        let rest = url[scheme.upperBound...]
        path = rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
    }
}
