import MQTT
import Testing

@Suite("fake broker")
struct FakeBrokerTests {
    private func options(_ id: String, _ change: (inout TransportOptions) -> Void = { _ in }) -> TransportOptions {
        var options = TransportOptions(host: "127.0.0.1", port: 1883, tls: nil, clientID: id)
        change(&options)
        return options
    }

    /// A connected client and what it heard since.
    private func client(
        _ broker: FakeBroker, _ id: String, subscribing filters: [String] = [],
        _ change: (inout TransportOptions) -> Void = { _ in }
    ) throws -> (FakeTransport, EventRecorder) {
        let recorder = EventRecorder()
        let transport = broker.transport(sink: recorder.sink)
        try transport.connect(options(id, change))
        broker.run(until: broker.now + 10)
        try #require(transport.isConnected, "\(recorder.all)")
        try transport.subscribe(filters)
        broker.run(until: broker.now + 10)
        return (transport, recorder)
    }

    @Test("topic filters match as MQTT says")
    func filters() {
        for (filter, topic, matches) in [
            ("a/b", "a/b", true), ("a/b", "a/c", false), ("a/+", "a/b", true), ("a/+", "a/b/c", false),
            ("a/+", "a", false),
            ("a/#", "a", true), ("a/#", "a/b/c", true), ("#", "a/b", true), ("+/+", "a/b", true), ("+", "/a", false),
            ("/+", "/a", true), ("a/+/c", "a//c", true), ("#", "$SYS/x", false), ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
        ] {
            #expect(TopicFilter(filter)?.matches(topic) == matches, "\(filter) \(topic)")
        }
        for bad in ["", "a/#/b", "a#", "a+/b", "#/a"] { #expect(TopicFilter(bad) == nil, "\(bad)") }
    }

    @Test("messages reach subscribers once, publishers get PUBACK, retained ones wait for late comers")
    func delivery() throws {
        let broker = FakeBroker()
        let (publisher, heard) = try client(broker, "p")
        let (_, first) = try client(broker, "s", subscribing: ["t/+"])
        let token = try publisher.publish(topic: "t/a", payload: [1], retain: true)
        #expect(publisher.inFlight == 1)
        _ = try publisher.publish(topic: "u", payload: [2], retain: false)
        broker.run(until: broker.now + 10)
        #expect(publisher.inFlight == 0)
        #expect(heard.published.first == token)
        #expect(first.messages.map(\.payload) == [[1]])
        let (_, late) = try client(broker, "l", subscribing: ["#"])
        #expect(late.all.last == .message(topic: "t/a", payload: [1], isRetained: true))
        _ = try publisher.publish(topic: "t/a", payload: [], retain: true)
        broker.run(until: broker.now + 10)
        #expect(broker.retainedPayload("t/a") == nil)
    }

    @Test("R11: nothing is accepted while disconnected, and in flight is bounded")
    func bounds() throws {
        let broker = FakeBroker(limits: ConnectionLimits(receiveMaximum: 5, maximumPacketSizeBytes: 1000))
        let transport = broker.transport { _ in }
        #expect(throws: TransportError.notConnected) { try transport.publish(topic: "a", payload: [], retain: false) }
        #expect(throws: TransportError.notConnected) { try transport.subscribe(["a"]) }
        let (publisher, heard) = try client(broker, "p") { $0.inFlightMax = 7 }
        #expect(throws: TransportError.tooLarge(bytes: 1011, limit: 1000)) {
            try publisher.publish(topic: "a", payload: [UInt8](repeating: 0, count: 1000), retain: false)
        }
        for _ in 0..<7 { _ = try publisher.publish(topic: "a", payload: [], retain: false) }
        #expect(throws: TransportError.tooManyInFlight(limit: 7)) {
            try publisher.publish(topic: "a", payload: [], retain: false)
        }
        // More than the broker's Receive Maximum is a protocol error, and the broker says so.
        broker.run(until: broker.now + 10)
        #expect(heard.failures.first?.kind == .protocolError)
        #expect(publisher.inFlight == 0)
    }

    @Test("the last will is sent for a crash, a take-over and a lost network, not for a goodbye")
    func wills() throws {
        let broker = FakeBroker()
        let (_, watcher) = try client(broker, "w", subscribing: ["will"])
        func willing(_ value: UInt8) throws -> (FakeTransport, EventRecorder) {
            try client(broker, "c") { $0.will = .init(topic: "will", payload: [value]) }
        }
        try willing(1).0.disconnect()
        try willing(2).0.abandon()
        let (_, third) = try willing(3)
        _ = try willing(4)
        #expect(third.failures.first?.kind == .takenOver)
        broker.run(until: broker.now + 10)
        #expect(watcher.messages.map(\.payload) == [[2], [3]])
        #expect(broker.retainedPayload("will") == [3])
    }

    @Test("a persistent session keeps messages for its client, bounded; a crash that loses state loses it")
    func sessions() throws {
        let broker = FakeBroker()
        broker.queuedMessagesMax = 3
        func persistent(_ options: inout TransportOptions) {
            (options.cleanStart, options.sessionExpirySeconds) = (false, 1000)
        }
        let (receiver, first) = try client(broker, "r", subscribing: ["t"], persistent)
        #expect(first.all.first == .connected(broker.limits))
        receiver.abandon()
        let (publisher, _) = try client(broker, "p")
        for value: UInt8 in 0..<5 { _ = try publisher.publish(topic: "t", payload: [value], retain: false) }
        broker.run(until: broker.now + 10)
        let (_, second) = try client(broker, "r", persistent)
        #expect(second.messages.map(\.payload) == [[0], [1], [2]])
        #expect(broker.counters.queueDropped == 2)
        guard case .connected(let limits) = second.all.first else {
            Issue.record("not connected")
            return
        }
        #expect(limits.isSessionPresent)
        broker.crash(downMilliseconds: 100, losesState: true)
        #expect(second.failures.first?.kind == .lost)
        let refused = EventRecorder()
        let early = broker.transport(sink: refused.sink)
        try early.connect(options("r", persistent))
        broker.run(until: broker.now + 50)
        #expect(refused.failures.first?.kind == .unreachable)
        broker.run(until: broker.now + 100)
        let (_, third) = try client(broker, "r", persistent)
        #expect(third.all.first == .connected(broker.limits))
    }

    @Test("QoS 0 reaches whoever is there and keeps nothing for who is not; subscribing again changes the quality")
    func atMostOnce() throws {
        let broker = FakeBroker()
        func persistent(_ options: inout TransportOptions) {
            (options.cleanStart, options.sessionExpirySeconds) = (false, 1000)
        }
        let (receiver, first) = try client(broker, "r", subscribing: ["t", "kept"], persistent)
        try receiver.subscribe(["t"], .atMostOnce)
        let (publisher, _) = try client(broker, "p")
        func publish(_ value: UInt8) throws {
            for topic in ["t", "kept"] { _ = try publisher.publish(topic: topic, payload: [value], retain: false) }
            broker.run(until: broker.now + 10)
        }
        try publish(1)
        #expect(first.messages.map(\.topic).sorted() == ["kept", "t"])
        receiver.abandon()
        try publish(2)
        let (_, second) = try client(broker, "r", persistent)
        #expect(second.messages.map(\.topic) == ["kept"])
    }

    @Test("rules by user name: own topics only, and a name with wildcards gets nothing")
    func rules() throws {
        let broker = FakeBroker()
        broker.passwords = ["t/a": "x", "t/b": "y", "+/#": "z", "agg": "w"]
        broker.rules = [
            .init(.write, "s/%u/up/#"), .init(.read, "s/%u/down/#"), .init(.read, "s/#", user: "agg"),
            .init(.write, "s/#", user: "agg"),
        ]
        func user(_ name: String, _ password: String) -> (inout TransportOptions) -> Void {
            { ($0.user, $0.password) = (name, password) }
        }
        let refused = EventRecorder()
        try broker.transport(sink: refused.sink).connect(options("x", user("t/a", "wrong")))
        broker.run(until: broker.now + 10)
        #expect(refused.failures.first?.kind == .refused)
        let (a, heardA) = try client(broker, "a", subscribing: ["#"], user("t/a", "x"))
        let (evil, heardEvil) = try client(broker, "e", subscribing: ["#"], user("+/#", "z"))
        let (aggregator, heard) = try client(broker, "g", subscribing: ["s/+/+/up/#"], user("agg", "w"))
        let mine = try a.publish(topic: "s/t/a/up/x", payload: [1], retain: false)
        let foreign = try a.publish(topic: "s/t/b/up/x", payload: [2], retain: false)
        _ = try evil.publish(topic: "s/t/a/up/x", payload: [3], retain: false)
        _ = try aggregator.publish(topic: "s/t/a/down/x", payload: [4], retain: false)
        _ = try aggregator.publish(topic: "s/t/b/down/x", payload: [5], retain: false)
        broker.run(until: broker.now + 10)
        #expect(heard.messages.map(\.payload) == [[1]])
        #expect(heardA.messages.map(\.payload) == [[4]])
        #expect(heardEvil.messages.isEmpty)
        #expect(heardA.published == [mine])
        #expect(heardA.all.contains { if case .publishRefused(foreign, _) = $0 { true } else { false } })
    }

    @Test("a short partition delays, one beyond the keep-alive cuts")
    func partitions() throws {
        var plan = FaultPlan()
        plan.partitions = [
            .init(from: 100, until: 5000, clientPrefix: "p"), .init(from: 20_000, until: 100_000, clientPrefix: "p"),
        ]
        let broker = FakeBroker(faults: plan)
        let (publisher, heard) = try client(broker, "p") {
            $0.keepAliveSeconds = 10
            $0.will = .init(topic: "t", payload: [9])
        }
        let (_, receiver) = try client(broker, "s", subscribing: ["t"])
        broker.run(until: 200)
        _ = try publisher.publish(topic: "t", payload: [1], retain: false)
        broker.run(until: 4999)
        #expect(receiver.messages.isEmpty && publisher.inFlight == 1)
        broker.run(until: 5010)
        #expect(receiver.messages.map(\.payload) == [[1]] && publisher.inFlight == 0)
        broker.run(until: 35_001)
        #expect(heard.failures.first?.kind == .lost)
        broker.run(until: 35_010)
        #expect(receiver.messages.map(\.payload) == [[1], [9]])
    }

    @Test("misdeeds happen by their shares, stop in time, and replay from the seed")
    func misdeeds() throws {
        func run(_ seed: UInt64) throws -> (events: [TransportEvent], counters: FakeBroker.Counters, last: [[UInt8]]) {
            var plan = FaultPlan(seed: seed)
            plan.delayMilliseconds = 1...50
            plan.reorders = true
            plan.until = 20_000
            (plan.dropShare, plan.duplicateShare, plan.replayShare) = (0.1, 0.1, 0.1)
            (plan.forgeShare, plan.withholdShare) = (0.1, 0.1)
            plan.withholdMilliseconds = 100...2000
            let broker = FakeBroker(faults: plan)
            let publisher = broker.transport { _ in }
            try publisher.connect(options("p"))
            let recorder = EventRecorder()
            let receiver = broker.transport(sink: recorder.sink)
            try receiver.connect(options("s"))
            broker.run(until: 100)
            try receiver.subscribe(["#"])
            broker.run(until: 200)
            for value in 0..<1000 {
                _ = try publisher.publish(topic: "t", payload: [UInt8(value >> 8), UInt8(value & 255)], retain: false)
                broker.run(until: broker.now + 15)
            }
            broker.run(until: 30_000)
            let events = recorder.all
            recorder.clear()
            for value: UInt8 in 0..<20 { _ = try publisher.publish(topic: "t", payload: [value], retain: false) }
            broker.run(until: 30_100)
            return (events, broker.counters, recorder.messages.map(\.payload))
        }
        let one = try run(5)
        #expect(one.events == (try run(5)).events)
        #expect(one.events != (try run(6)).events)
        for count in [
            one.counters.dropped, one.counters.duplicated, one.counters.replayed, one.counters.forged,
            one.counters.withheld,
        ] {
            #expect((50...160).contains(count), "\(one.counters)")
        }
        #expect(one.last == (0..<20).map { [$0] })
        let payloads = one.events.compactMap { if case .message(_, let payload, _) = $0 { payload } else { nil } }
        #expect(payloads != payloads.sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test("a kicked publisher loses what was in flight, and its will is sent")
    func kick() throws {
        var plan = FaultPlan(seed: 1)
        plan.kickShare = 1
        let broker = FakeBroker(faults: plan)
        let (_, watcher) = try client(broker, "w", subscribing: ["#"])
        let (publisher, heard) = try client(broker, "p") { $0.will = .init(topic: "will", payload: [1]) }
        _ = try publisher.publish(topic: "t", payload: [2], retain: false)
        broker.run(until: broker.now + 10)
        #expect(!publisher.isConnected && publisher.inFlight == 0 && heard.published.isEmpty)
        #expect(watcher.messages.map(\.topic) == ["t", "will"])
    }
}
