import Compression
import Interchange
import MQTT
import Snappy

/// Sends bodies of Prometheus remote write 1.0, each on a connection of its own. Blocks.
struct RemoteWriteClient: Sendable {
    /// Of what a receiver says to it.
    static let answerBytesMax = 1 << 20

    let target: RemoteWriteTarget
    let settings: ForwardSettings

    init?(_ settings: ForwardSettings) {
        guard let target = RemoteWriteTarget(settings.url) else { return nil }
        self.target = target
        self.settings = settings
    }

    /// - Parameter body: not compressed yet.
    func send(_ body: [UInt8]) -> Forwarder.Outcome {
        let compressed: [UInt8]
        switch settings.encoding {
        case .snappy: compressed = SnappyBlock.compress(body)
        case .zstd:
            do { compressed = try ZstdCompressor(level: 1).compress(body) } catch { return .later("\(error)") }
        }
        var headers: [(name: String, value: String)] = [
            ("Content-Type", "application/x-protobuf"), ("Content-Encoding", settings.encoding.rawValue),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"), ("User-Agent", "stagebox-aggregator"),
        ]
        if let path = settings.tokenPath {
            do { headers.append(("Authorization", "Bearer \(try String(readingFile: path))")) } catch {
                return .later("the token: \(error)")
            }
        }
        do {
            let connection = try PinnedConnection(
                host: target.address.host, port: target.address.port,
                trust: target.address.isTLS ? .authority(path: settings.authorityPath) : nil,
                timeoutSeconds: settings.timeoutSeconds)
            let answer = try HTTPExchange.send(
                "POST", target.path, headers: headers, body: compressed, to: target.address,
                over: connection, answerBytesMax: Self.answerBytesMax)
            return Forwarder.Outcome(status: answer.status, text: answer.text)
        } catch {
            return .later("\(error)")
        }
    }
}

extension Forwarder.Outcome {
    /// 401, 403, 404, 405 and 415 speak of the settings, not of the samples, which wait until those are right.
    package init(status: Int, text: String) {
        let reason = "\(status) \(text.prefix(200))"
        switch status {
        case 200..<300: self = .taken
        case 401, 403, 404, 405, 408, 415, 429: self = .later(reason)
        case 400..<500: self = .refused(reason)
        default: self = .later(reason)
        }
    }
}
