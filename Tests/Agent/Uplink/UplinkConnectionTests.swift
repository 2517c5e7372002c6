import RuntimeSupport
import Telemetry
import Testing
import Uplink
import WireFormat

@Suite("uplink: connection")
struct UplinkConnectionTests {
    @Test("a connection starts with subscriptions, the state and a birth, before any row")
    func order() {
        var node = FakeNode()
        node.store(.live)
        #expect(node.take() == [.connect(sessionCounter: 42)])
        node.connect()
        let actions = node.take()
        #expect(actions.first == .subscribe)
        let interesting = actions.filter { if case .fetch = $0 { false } else { true } }
        guard interesting.count >= 4, case .publishState(_, let state) = interesting[1],
            case .publishBirth(_, let counter, let challenge) = interesting[2], case .publishBatch = interesting[3]
        else {
            Issue.record("\(interesting)")
            return
        }
        #expect(state == ConnectionState(isOnline: true, sessionCounter: 42))
        #expect(counter == 42)
        #expect(challenge == .zero)
    }

    @Test("control messages that find no room after a lost connection are counted")
    func requeued() {
        var node = FakeNode()
        node.connect()
        node.brokerTakes = false
        for number in 0..<600 as Range<UInt64> { node.handle(.resultReady(number)) }
        let sent = node.take().count { if case .publishResult = $0 { true } else { false } }
        let dropped = node.machine.counters.controlMessagesDropped
        #expect(sent > 0 && dropped > 0)
        node.cut()
        #expect(node.machine.counters.controlMessagesDropped == dropped + UInt64(sent))
    }

    @Test("R27: the session counter grows with every attempt, and stopping says offline with it")
    func sessionCounter() {
        var node = FakeNode()
        node.connect()
        _ = node.take()
        var last: UInt64 = 42
        for _ in 0..<7 {
            node.cut()
            // Attempts that fail use their counter, too: their last wills may still turn up.
            node.advance(120_000)
            for counter in node.take().connects {
                #expect(counter == last + 1)
                last = counter
            }
            node.reconnect()
            let state = ConnectionState(isOnline: true, sessionCounter: node.machine.sessionCounter)
            #expect(node.take().contains { if case .publishState(_, state) = $0 { true } else { false } })
            #expect(state.sessionCounter > last)
            last = state.sessionCounter
        }
        #expect(last > 49)
        _ = node.take()
        node.handle(.stop)
        let actions = node.take()
        guard actions.count == 2, case .publishState(_, let state) = actions[0] else {
            Issue.record("\(actions)")
            return
        }
        #expect(state == ConnectionState(isOnline: false, sessionCounter: last))
        #expect(actions[1] == .disconnect)
        #expect(node.machine.nextDeadline == nil)
    }

    @Test("nothing is published while there is no connection")
    func offline() {
        var node = FakeNode()
        node.store(.live)
        node.store(.alert)
        node.handle(.auxiliaryStored(.key(.zero)))
        node.handle(
            .fetched(
                UplinkFetch(lane: .live, direction: .oldest, limit: 1, excluding: []), rows: node.rows, time: node.wall)
        )
        #expect(node.take() == [.connect(sessionCounter: 42)])
        node.handle(.connectFailed)
        node.advance(600_000)
        #expect(node.take().batches.isEmpty)
    }

    @Test("an attempt that never answers is given up")
    func hangingAttempt() {
        var node = FakeNode()
        node.advance(29_999)
        #expect(node.take() == [.connect(sessionCounter: 42)])
        node.advance(100_000)
        let actions = node.take()
        #expect(actions.first == .abandon)
        #expect(actions.connects.first == 43)
    }

    @Test("a broker that takes nothing for a minute is left, and the rows go out on the next connection")
    func stalledBroker() {
        var node = FakeNode()
        node.brokerTakes = false
        node.connect()
        let key = node.store(.live)
        node.advance(61_000)
        #expect(node.take().reports == [.brokerStalled])
        #expect(!node.machine.isOnline)
        node.brokerTakes = true
        node.reconnect()
        #expect(node.take().batches.map(\.key) == [key])
    }

    @Test("a broker with too small packets is reported and left, and no row is lost")
    func smallPackets() {
        var node = FakeNode()
        node.store(.live, bytes: 200_000)
        _ = node.take()
        node.connect(packetBytes: 4096)
        #expect(node.take() == [.report(.packetLimitTooSmall(bytes: 4096)), .disconnect])
        #expect(node.rows.count == 1)
        #expect(!node.machine.isOnline)
    }

    @Test("an aggregator that missed our birth gets the keys, tables and the birth it asks an earlier epoch for")
    func missedBirth() {
        var node = FakeNode()
        node.connect()
        _ = node.take()
        let (key, table) = (ID128(high: 1, low: 2), ID256.zero)
        node.acknowledge([]) { acknowledgement in
            acknowledgement.runningEpoch = ID128(high: 0xdead, low: 1)
            acknowledgement.needsKeys = [key]
            acknowledgement.needsTables = [table]
            acknowledgement.needsBirth = true
            acknowledgement.flushIntervalMilliseconds = 200
        }
        let actions = node.take()
        #expect(actions.auxiliaries == [.table(table), .key(key)])
        #expect(!actions.contains(.flushEvery(milliseconds: 200)))
        node.advance(UplinkLimits.birthJitterMilliseconds + 1)
        #expect(node.take().births == [.zero])
    }

    @Test("a connection that has ended, though its end is not told yet, is not tried in a loop")
    func cut() {
        var node = FakeNode()
        node.connect()
        _ = node.take()
        node.isCut = true
        let key = node.store(.live)
        node.acknowledge([]) { $0.needsKeys = [ID128(high: 1, low: 2)] }
        node.store(.alert)
        node.advance(30_000)
        #expect(node.violations.isEmpty)
        #expect(node.take().count { $0.ticket != nil } <= 2)
        node.cut()
        node.isCut = false
        node.reconnect()
        let actions = node.take()
        #expect(actions.auxiliaries == [.key(ID128(high: 1, low: 2))])
        #expect(actions.batches.map(\.key).contains(key))
    }

    @Test("a connection whose end is never told is given up a minute after it took nothing, and the rows go out")
    func untoldEnd() {
        var node = FakeNode()
        node.connect()
        _ = node.take()
        node.isCut = true
        let key = node.store(.live)
        node.advance(61_000)
        #expect(!node.machine.isOnline && node.violations.isEmpty)
        #expect(node.take().contains(.abandon))
        node.isCut = false
        node.reconnect()
        #expect(node.take().batches.map(\.key).contains(key))
    }

    @Test("births asked for come once, with jitter; a challenge is answered once")
    func births() {
        var spread: Set<Int64> = []
        for seed in 0..<20 {
            var node = FakeNode(seed: UInt64(seed))
            node.connect()
            _ = node.take()
            node.acknowledge([]) { $0.needsBirth = true }
            node.acknowledge([]) { $0.needsBirth = true }
            #expect(node.take().births.isEmpty)
            if let deadline = node.machine.nextDeadline { spread.insert(deadline) }
            node.advance(10_001)
            #expect(node.take().births == [.zero])
            let challenge = ID128(high: 3, low: 4)
            for _ in 0..<3 { node.acknowledge([]) { $0.challenge = challenge } }
            node.advance(60_000)
            #expect(node.take().births == [challenge])
        }
        #expect(spread.count > 15)
    }

    @Test("the flush interval wanted is clamped, told once, and forgotten with the connection")
    func flushInterval() {
        var node = FakeNode()
        node.connect()
        _ = node.take()
        for (wanted, told) in [(0, [UInt32?]()), (1000, [1000]), (1000, []), (1, [200]), (0, [nil]), (500, [500])] {
            node.acknowledge([]) { $0.flushIntervalMilliseconds = UInt32(wanted) }
            #expect(node.take().flushes == told)
        }
        node.cut()
        #expect(node.take().flushes == [nil])
    }

    @Test("keys and configurations that do not arrive in time are reported once, and when they do")
    func withheld() {
        var node = FakeNode()
        node.connect()
        node.handle(.bundleHeld(version: 3))
        node.acknowledge([]) { $0.keyBundleVersion = 3 }
        node.advance(4_000_000)
        #expect(node.take().reports == [])
        node.acknowledge([]) {
            $0.keyBundleVersion = 5
            $0.desiredConfigurationVersion = 9
        }
        node.advance(599_000)
        // Repeating the wish, or cutting the link, does not start the time anew.
        node.acknowledge([]) {
            $0.keyBundleVersion = 5
            $0.desiredConfigurationVersion = 9
        }
        #expect(node.take().reports == [])
        node.cut()
        node.advance(2000)
        #expect(node.take().reports == [.configurationWithheld(desired: 9, held: 0)])
        node.advance(3_000_000)
        #expect(node.take().reports == [.keysWithheld(desired: 5, held: 3)])
        node.handle(.configurationReceived(version: 9))
        node.handle(.bundleHeld(version: 5))
        #expect(node.take().reports == [.configurationArrived(version: 9), .keysArrived(version: 5)])
        node.advance(10_000_000)
        #expect(node.take().reports == [])
    }

    @Test(
        "R18: a thousand agents come back spread out after a broker's absence",
        arguments: [1, 5, 10, 15, 20, 30, 60, 600])
    func reconnectHerd(secondsAway: Int64) {
        let away = secondsAway * 1000
        var perSecond: [Int64: Int] = [:]
        for seed in 0..<1000 {
            var machine = UplinkStateMachine(
                runningEpoch: .zero, sessionCounter: 0, seed: UInt64(seed) &* 7919, now: 0)
            _ = machine.handle(.tick, now: 0)
            _ = machine.handle(.connected(receiveMaximum: 20, maximumPacketSizeBytes: 1 << 20), now: 0)
            _ = machine.handle(.disconnected, now: 0)
            while let deadline = machine.nextDeadline {
                let actions = machine.handle(.tick, now: deadline)
                guard !actions.connects.isEmpty else { continue }
                if deadline >= away {
                    perSecond[(deadline - away) / 1000, default: 0] += 1
                    break
                }
                _ = machine.handle(.connectFailed, now: deadline)
            }
        }
        let seconds = (perSecond.keys.max() ?? 0) + 1
        let mean = 1000 / Double(seconds)
        let peak = Double(perSecond.values.max() ?? 0)
        #expect(peak / mean < 3, "\(secondsAway) s away: peak \(peak)/s, mean \(mean)/s")
        print(
            "R18: \(secondsAway) s away: back within \(seconds) s, peak \(peak)/s, mean \(mean)/s, ratio \(peak / mean)"
        )
    }
}
