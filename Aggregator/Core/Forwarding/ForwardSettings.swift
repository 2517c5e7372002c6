import MQTT
import PromQL
import RuntimeSupport
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

    package init() {}

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
            meaning: "what may wait on disk beside level 0 while the receiver does not answer; the oldest goes first"
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
        return nil
    }
}

/// An address with its path.
struct RemoteWriteTarget: Sendable, Hashable {
    let address: HTTPExchange.Address
    /// Begins with a slash.
    let path: String

    init?(_ url: String) {
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), !url.contains("@"), !url.contains("#"),
            let address = try? HTTPExchange.Address(url), let scheme = url.firstRange(of: "://")
        else { return nil }
        self.address = address
        let rest = url[scheme.upperBound...]
        path = rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
    }
}
