import Compression
import Interchange
import MQTT
package import RuntimeSupport
import Snappy
package import Store

/// Sends bodies of Prometheus remote write 1.0, and to a relay those of events and findings, over one connection as long
/// as the receiver keeps it open. Blocks; one thread's own.
package final class RemoteWriteClient {
    /// Of what a receiver says to it.
    static let answerBytesMax = 1 << 20

    private let target: RemoteWriteTarget
    private let settings: ForwardSettings
    private let time: any TimeSource
    private let connection: KeptConnection
    /// Connections made so far.
    package var connectionCount: Int { connection.connectionCount }

    package init?(_ settings: ForwardSettings, time: any TimeSource) {
        guard let target = RemoteWriteTarget(settings.url) else { return nil }
        self.target = target
        self.settings = settings
        self.time = time
        connection = KeptConnection(
            target.address, trust: target.address.isTLS ? .authority(path: settings.authorityPath) : nil,
            timeoutSeconds: settings.timeoutSeconds)
    }

    /// - Parameter body: of remote write 1.0, not compressed yet.
    package func send(_ body: [UInt8]) -> Forwarder.Outcome {
        send(
            body, to: target.path, type: "application/x-protobuf",
            headers: [("X-Prometheus-Remote-Write-Version", "0.1.0")])
    }

    /// - Parameter body: the lane's block, not compressed yet.
    package func send(_ body: [UInt8], _ lane: ForwardLane) -> Forwarder.Outcome {
        send(body, to: target.path(of: lane), type: "application/x-stagebox-\(lane.rawValue)", headers: [])
    }

    private func send(
        _ body: [UInt8], to path: String, type: String, headers: [(name: String, value: String)]
    ) -> Forwarder.Outcome {
        let compressed: [UInt8]
        switch settings.encoding {
        case .snappy: compressed = SnappyBlock.compress(body)
        case .zstd:
            do { compressed = try ZstdCompressor(level: 1).compress(body) } catch { return .later("\(error)") }
        }
        let common: [(name: String, value: String)] = [
            ("Content-Type", type), ("Content-Encoding", settings.encoding.rawValue),
            ("User-Agent", "stagebox-aggregator"),
        ]
        var headers = common + headers
        if let file = settings.tokenPath {
            do { headers.append(("Authorization", "Bearer \(try String(readingFile: file))")) } catch {
                return .later("the token: \(error)")
            }
        }
        do {
            let answer = try connection.send(
                "POST", path, headers: headers, body: compressed, answerBytesMax: Self.answerBytesMax)
            return Forwarder.Outcome(
                status: answer.status, text: answer.text,
                retryAfter: answer.retryAfter.flatMap { RetryAfter.milliseconds($0, now: time.now) })
        } catch {
            return .later("\(error)")
        }
    }
}

extension Forwarder.Outcome {
    /// 401, 403, 404, 405 and 415 speak of the settings, not of the samples, which wait until those are right.
    /// - Parameter retryAfter: milliseconds that the answer asks to wait; heeded with 429 and 503.
    package init(status: Int, text: String, retryAfter: Int64? = nil) {
        let reason = "\(status) \(text.prefix(200))"
        switch status {
        case 200..<300: self = .taken
        case 429, 503: self = .later(reason, afterMilliseconds: retryAfter)
        case 401, 403, 404, 405, 408, 415: self = .later(reason)
        case 400..<500: self = .refused(reason)
        default: self = .later(reason)
        }
    }
}
