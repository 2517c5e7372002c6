import Glibc
import MQTT
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

/// The libmosquitto client against a real broker.
@Suite("libmosquitto client", .enabled(if: BrokerProcess.isInstalled), .serialized, .ownThread)
struct MosquittoClientTests {
    private func client(_ recorder: EventRecorder, time: any TimeSource = SystemTimeSource()) -> MosquittoClient {
        MosquittoClient(timeSource: time, sink: recorder.sink)
    }

    private func plain(_ port: UInt16, _ id: String) -> TransportOptions {
        TransportOptions(host: "127.0.0.1", port: port, tls: nil, clientID: id)
    }

    @Test("a published message reaches a subscriber and is reported as published")
    func roundTrip() throws {
        let broker = try BrokerProcess()
        let (up, down) = (EventRecorder(), EventRecorder())
        let (sender, receiver) = (client(up), client(down))
        try receiver.connect(plain(broker.port, "receiver"))
        #expect(down.waitsUntilConnected())
        try receiver.subscribe(["a/+/c"])
        try sender.connect(plain(broker.port, "sender"))
        #expect(up.waitsUntilConnected())
        let payload = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
        // Retained, so that it arrives whichever of SUBSCRIBE and PUBLISH the broker sees first.
        let token = try sender.publish(topic: "a/b/c", payload: payload, retain: true)
        #expect(up.waits { $0 == .published(token) })
        #expect(sender.inFlight == 0)
        #expect(Waiting.until(withinSeconds: 20) { !down.messages.isEmpty })
        #expect(down.messages.first?.topic == "a/b/c")
        #expect(down.messages.first?.payload == payload)
        sender.disconnect()
        #expect(up.waitsForFailure()?.kind == .requested)
    }

    @Test("R11: nothing is accepted while disconnected, and in flight is bounded")
    func refusesWhileDisconnected() throws {
        let broker = try BrokerProcess()
        let recorder = EventRecorder()
        let transport = client(recorder)
        #expect(throws: TransportError.notConnected) { try transport.publish(topic: "a", payload: [1], retain: false) }
        var options = plain(broker.port, "bounded")
        options.inFlightMax = 8
        try transport.connect(options)
        #expect(recorder.waitsUntilConnected())
        broker.kill()
        // The broker takes nothing any more; every message but eight is refused, before and after the loss is seen.
        var accepted = 0
        for _ in 0..<10_000 where (try? transport.publish(topic: "a", payload: [1], retain: false)) != nil {
            accepted += 1
        }
        #expect(accepted <= 8)
        #expect(recorder.waitsForFailure()?.kind == .lost)
        #expect(throws: TransportError.notConnected) { try transport.publish(topic: "a", payload: [1], retain: false) }
        // What is refused is kept nowhere: of a long outage at full rate nothing piles up.
        accepted = 0
        for _ in 0..<100_000 where (try? transport.publish(topic: "a", payload: [1], retain: false)) != nil {
            accepted += 1
        }
        #expect(accepted == 0)
    }

    @Test("a dead port is reported with host, port and what to do")
    func deadPort() throws {
        let recorder = EventRecorder()
        let transport = client(recorder)
        let port = try FreePort.next()
        for _ in 0..<3 {
            recorder.clear()
            try transport.connect(plain(port, "nobody"))
            let failure = recorder.waitsForFailure()
            #expect(failure?.kind == .unreachable)
            #expect(failure?.message.contains("127.0.0.1:\(port)") == true)
            #expect(failure?.message.contains("refused") == true)
        }
    }

    @Test("an attempt at a host that swallows packets can be given up at once")
    func swallowed() throws {
        let listener = try SilentListener()
        let recorder = EventRecorder()
        let transport = client(recorder)
        for _ in 0..<2 {
            recorder.clear()
            try transport.connect(plain(listener.port, "patient"))
            #expect(throws: TransportError.alreadyConnected) { try transport.connect(plain(listener.port, "patient")) }
            transport.abandon()
            #expect(recorder.all == [.disconnected(TransportFailure(.requested, "closed by us"))])
        }
    }

    @Test("R20: TLS 1.3 with the pinned authority works; another authority, name or time does not")
    func tls() throws {
        let directory = try TemporaryDirectory("certificates")
        let certificates = try TestCertificates(in: directory)
        let broker = try BrokerProcess(
            TestCertificates.brokerSettings.split(separator: "\n").map {
                $0.split(separator: " ").map {
                    $0.hasPrefix("DIR/") ? directory.file(String($0.dropFirst(4))) : String($0)
                }
                .joined(separator: " ")
            }.joined(separator: "\n"))
        func attempt(_ tls: TransportOptions.TLS, host: String = "127.0.0.1", time: any TimeSource = SystemTimeSource())
            throws -> TransportFailure?
        {
            let recorder = EventRecorder()
            let transport = client(recorder, time: time)
            try transport.connect(TransportOptions(host: host, port: broker.port, tls: tls, clientID: "tls"))
            _ = recorder.waits { if case .message = $0 { false } else { true } }
            if case .connected? = recorder.all.first {
                let token = try transport.publish(
                    topic: "t", payload: [UInt8](repeating: 7, count: 200_000), retain: false)
                #expect(recorder.waits { $0 == .published(token) })
                return nil
            }
            return recorder.failures.first
        }
        let pem = certificates.authorityPEM
        #expect(try attempt(.init(certificateAuthorityPEM: pem)) == nil)
        #expect(try attempt(.init(certificateAuthorityPEM: pem, serverName: "localhost")) == nil)
        let wrongName = try attempt(.init(certificateAuthorityPEM: pem, serverName: "broker.example"))
        #expect(wrongName?.kind == .tls)
        #expect(wrongName?.message.contains("broker.example") == true, "\(String(describing: wrongName))")
        let other = try TemporaryDirectory("certificates")
        let wrongAuthority = try attempt(.init(certificateAuthorityPEM: try TestCertificates(in: other).authorityPEM))
        #expect(wrongAuthority?.kind == .tls)
        // The floor is the time of the check only when the clock is behind it.
        let now = SystemTimeSource().now
        let nextYear = now.advanced(byMilliseconds: 365 * 86_400_000)
        let behind = try attempt(.init(certificateAuthorityPEM: pem, timeFloor: nextYear))
        #expect(behind?.message.contains("expired") == true, "\(String(describing: behind))")
        #expect(try attempt(.init(certificateAuthorityPEM: pem, timeFloor: now.advanced(byMilliseconds: -1000))) == nil)
        let isIn1970 = ManualTimeSource(now: Timestamp(seconds: 0))
        #expect(try attempt(.init(certificateAuthorityPEM: pem, timeFloor: now), time: isIn1970) == nil)
        #expect(throws: TransportError.self) { try attempt(.init(certificateAuthorityPEM: "no certificate")) }
    }

    @Test("a wrong password is refused, and the user is named")
    func wrongPassword() throws {
        let directory = try TemporaryDirectory("passwords")
        let file = try directory.write("t/a:plain\n", to: "passwords")
        try #require(try ProcessUnderTest(["/usr/bin/mosquitto_passwd", "-U", file]).wait() == .code(0))
        let broker = try BrokerProcess("allow_anonymous false\npassword_file \(file)")
        var options = plain(broker.port, "login")
        (options.user, options.password) = ("t/a", "wrong")
        let recorder = EventRecorder()
        let transport = client(recorder)
        try transport.connect(options)
        let failure = recorder.waitsForFailure()
        #expect(failure?.kind == .refused)
        #expect(failure?.message.contains("t/a") == true)
        #expect(failure?.message.contains("wrong") == false)
        options.password = "plain"
        recorder.clear()
        try transport.connect(options)
        #expect(recorder.waitsUntilConnected())
    }

    @Test("a second client with the same id takes over, and abandoning leaves the last will")
    func takeoverAndWill() throws {
        let broker = try BrokerProcess()
        let (watching, first, second) = (EventRecorder(), EventRecorder(), EventRecorder())
        let watcher = client(watching)
        try watcher.connect(plain(broker.port, "watcher"))
        #expect(watching.waitsUntilConnected())
        try watcher.subscribe(["state"])
        var options = plain(broker.port, "same")
        options.will = .init(topic: "state", payload: [0])
        let (one, two) = (client(first), client(second))
        try one.connect(options)
        #expect(first.waitsUntilConnected())
        try two.connect(options)
        #expect(second.waitsUntilConnected())
        // Before 2.0.15 mosquitto closed the old connection without saying why (eclipse/mosquitto#2607).
        let reason = first.waitsForFailure()?.kind
        #expect(reason == .takenOver || reason == .lost)
        watching.clear()
        two.abandon()
        #expect(second.waitsForFailure()?.kind == .requested)
        #expect(Waiting.until(withinSeconds: 20) { watching.messages.contains { $0.payload == [0] } })
        _ = one
    }

    @Test("what is subscribed to with QoS 0 arrives, and is not kept for a session that is away")
    func atMostOnce() throws {
        let broker = try BrokerProcess()
        let (down, up) = (EventRecorder(), EventRecorder())
        let (receiver, sender) = (client(down), client(up))
        var options = plain(broker.port, "stable")
        (options.cleanStart, options.sessionExpirySeconds) = (false, 600)
        try receiver.connect(options)
        #expect(down.waitsUntilConnected())
        try receiver.subscribe(["kept"], .atLeastOnce)
        try receiver.subscribe(["passing"], .atMostOnce)
        try sender.connect(plain(broker.port, "sender"))
        #expect(up.waitsUntilConnected())
        #expect(
            Waiting.until(withinSeconds: 20) {
                _ = try? sender.publish(topic: "passing", payload: [0], retain: false)
                return !down.messages.isEmpty
            })
        receiver.abandon()
        #expect(down.waitsForFailure() != nil)
        _ = try sender.publish(topic: "passing", payload: [1], retain: false)
        let token = try sender.publish(topic: "kept", payload: [2], retain: false)
        #expect(up.waits { $0 == .published(token) })
        down.clear()
        try receiver.connect(options)
        // In the order of publishing: what was kept comes after where the other would have been.
        #expect(Waiting.until(withinSeconds: 20) { down.messages.contains { $0.payload == [2] } })
        #expect(!down.messages.contains { $0.payload == [1] })
    }

    @Test("a persistent session is present again, and its messages were kept")
    func persistentSession() throws {
        let broker = try BrokerProcess()
        let (down, up) = (EventRecorder(), EventRecorder())
        let (receiver, sender) = (client(down), client(up))
        var options = plain(broker.port, "stable")
        (options.cleanStart, options.sessionExpirySeconds) = (false, 600)
        try receiver.connect(options)
        #expect(down.waitsUntilConnected())
        try receiver.subscribe(["kept"])
        try sender.connect(plain(broker.port, "sender"))
        #expect(up.waitsUntilConnected())
        // Once a message came through, the subscription stands.
        #expect(
            Waiting.until(withinSeconds: 20) {
                _ = try? sender.publish(topic: "kept", payload: [0], retain: false)
                return !down.messages.isEmpty
            })
        receiver.abandon()
        #expect(down.waitsForFailure() != nil)
        down.clear()
        let token = try sender.publish(topic: "kept", payload: [1], retain: false)
        #expect(up.waits { $0 == .published(token) })
        try receiver.connect(options)
        #expect(down.waits { if case .connected(let limits) = $0 { limits.isSessionPresent } else { false } })
        #expect(Waiting.until(withinSeconds: 20) { down.messages.contains { $0.payload == [1] } })
    }
}

/// A port that takes connections and never says a word.
private final class SilentListener {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutableBytes(of: &address) { bytes -> Int32 in
            guard let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            guard bind(descriptor, pointer, length) == 0, listen(descriptor, 5) == 0 else { return -1 }
            return getsockname(descriptor, pointer, &length)
        }
        guard result == 0 else { throw SystemError("listen") }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }
}
