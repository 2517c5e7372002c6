import RuntimeSupport
package import Telemetry
import WireFormat

/// How an agent talks to its broker: when to connect, what to send, what an acknowledgement means.
///
/// Pure: it takes events and the monotonic time and returns actions; its owner (the engine, the simulation)
/// performs them and reports back. Nothing but a verified acknowledgement frees a row. Memory is bounded by
/// ``UplinkLimits``; what the queues do not hold stays in the buffer.
package struct UplinkStateMachine: Sendable {
    enum Phase: Equatable {
        case waiting(until: Int64)
        case connecting(until: Int64)
        case online
        case stopped
    }

    package let runningEpoch: EpochID
    /// Of the last connection attempt; grows with each, persisted by the owner.
    package private(set) var sessionCounter: UInt64
    package internal(set) var counters = UplinkCounters()

    var phase: Phase
    var generator: SeededGenerator
    var backoff = Backoff(
        baseMilliseconds: UplinkLimits.connectWindowMilliseconds,
        capMilliseconds: UplinkLimits.connectWindowMilliseconds,
        floorMilliseconds: UplinkLimits.connectFloorMilliseconds)
    var flight = Flight()
    var control = ControlQueue()
    var lanes = LaneStates()
    var unacknowledged = Unacknowledged()
    var credit = Credit()
    var hearing = Hearing()

    /// - Parameters:
    ///   - runningEpoch: of this start of the agent.
    ///   - sessionCounter: the last one persisted.
    ///   - seed: of the jitter.
    ///   - heldBundleVersion: of the key bundle at hand, 0 if none.
    ///   - receivedConfigurationVersion: the highest manifest version received in any scope.
    ///   - now: the first connection attempt starts at once.
    package init(
        runningEpoch: EpochID, sessionCounter: UInt64, seed: UInt64, heldBundleVersion: UInt64 = 0,
        receivedConfigurationVersion: UInt64 = 0, now: Int64
    ) {
        self.runningEpoch = runningEpoch
        self.sessionCounter = sessionCounter
        generator = SeededGenerator(seed: seed)
        phase = .waiting(until: now)
        hearing.keys.held = heldBundleVersion
        hearing.configuration.held = receivedConfigurationVersion
    }

    package var isOnline: Bool { phase == .online }
    /// Rows that are on their way and must not be evicted.
    package var rowsInFlight: Set<Int64> { Set(unacknowledged.entries.values.lazy.map(\.batch.row)) }
    package var unacknowledgedBytes: Int { unacknowledged.entries.values.reduce(0) { $0 + $1.batch.sizeBytes } }

    /// - Returns: what to do, in order; empty for an event that means nothing in this state.
    /// - Complexity: O(rows unacknowledged), bounded.
    package mutating func handle(_ event: UplinkEvent, now: Int64) -> [UplinkAction] {
        var actions: [UplinkAction] = []
        apply(event, now, &actions)
        passDeadlines(now, &actions)
        plan(now, &actions)
        return actions
    }

    /// When to call `handle(.tick, …)` at the latest; nil: never, until something happens.
    package var nextDeadline: Int64? {
        switch phase {
        case .stopped: return nil
        case .waiting(let until), .connecting(let until): return earliest(until, hearing.nextDeadline)
        case .online:
            var deadline = earliest(hearing.nextDeadline, control.birthAt)
            if let since = earliest(flight.oldestSentAt, flight.cutAt) {
                deadline = earliest(deadline, since + UplinkLimits.stalledMilliseconds)
            }
            deadline = earliest(deadline, nextResend)
            if lanes.live.isTrickling { deadline = earliest(deadline, credit.trickleAt) }
            return deadline
        }
    }

    /// Only of what a free slot could take, else a deadline in the past would be asked for again and again.
    private var nextResend: Int64? {
        if flight.freeBulkSlots > 0 { return unacknowledged.nextResend(alertOnly: false) }
        return flight.freeSlots > 0 ? unacknowledged.nextResend(alertOnly: true) : nil
    }

    private mutating func apply(_ event: UplinkEvent, _ now: Int64, _ actions: inout [UplinkAction]) {
        switch event {
        case .tick: break
        case .connected(let receiveMaximum, let packetBytes):
            didConnect(receiveMaximum: receiveMaximum, packetBytes: packetBytes, now, &actions)
        case .connectFailed, .disconnected: didLoseConnection(now, &actions)
        case .published(let ticket): flight.remove(ticket)
        case .publishFailed(let ticket, let problem): publishFailed(ticket, problem, now)
        case .stored(let laneKey, let next):
            hearing.produced(laneKey, next: next)
            lanes[laneKey.lane].rowsArrived()
        case .fetched(let fetch, let rows, let time, let needs): didFetch(fetch, rows, time, needs, now, &actions)
        case .gone(let keys): keys.forEach { unacknowledged.remove($0) }
        case .auxiliaryStored(let auxiliary): enqueue(.auxiliary(auxiliary))
        case .resultReady(let number): enqueue(.result(number))
        case .acknowledged(let acknowledgement): acknowledge(acknowledgement, now, &actions)
        case .bundleHeld(let version):
            hearing.keys.arrived(version).map { actions.append(.report(.keysArrived(version: $0))) }
        case .configurationReceived(let version):
            hearing.configuration.arrived(version).map { actions.append(.report(.configurationArrived(version: $0))) }
        case .stop: stop(&actions)
        }
    }

    mutating func enqueue(_ message: ControlMessage) {
        if !control.append(message) { counters.controlMessagesDropped += 1 }
    }

    private mutating func requeue(_ messages: [ControlMessage]) {
        counters.controlMessagesDropped += UInt64(control.requeue(messages))
    }

    private mutating func passDeadlines(_ now: Int64, _ actions: inout [UplinkAction]) {
        actions += hearing.passDeadlines(now)
        switch phase {
        case .waiting(let until) where now >= until:
            phase = .connecting(until: now + UplinkLimits.connectMilliseconds)
            sessionCounter += 1
            counters.connectionAttempts += 1
            actions.append(.connect(sessionCounter: sessionCounter))
        case .connecting(let until) where now >= until:
            actions.append(.abandon)
            didLoseConnection(now, &actions)
        case .online:
            // Nothing is taken, or the end of the connection was never told.
            if let since = earliest(flight.oldestSentAt, flight.cutAt), now - since >= UplinkLimits.stalledMilliseconds
            {
                actions += [.report(.brokerStalled), .abandon]
                didLoseConnection(now, &actions)
            } else if let birthAt = control.birthAt, now >= birthAt {
                control.birthAt = nil
                enqueue(.birth)
            }
        default: break
        }
    }

    // MARK: Connection

    private mutating func didConnect(
        receiveMaximum: Int, packetBytes: Int, _ now: Int64, _ actions: inout [UplinkAction]
    ) {
        guard case .connecting = phase else { return }
        guard packetBytes >= UplinkLimits.packetBytesMin else {
            actions += [.report(.packetLimitTooSmall(bytes: packetBytes)), .disconnect]
            didLoseConnection(now, &actions)
            return
        }
        phase = .online
        counters.connections += 1
        backoff.reset()
        flight = Flight(
            slots: max(1, min(UplinkLimits.inFlightMax, receiveMaximum)),
            batchBytesMax: min(WireLimits.batchBytesMax, packetBytes - UplinkLimits.packetOverheadBytes),
            nextTicket: flight.nextTicket)
        credit.connected()
        lanes = LaneStates()
        control.connected()
        actions.append(.subscribe)
    }

    private mutating func didLoseConnection(_ now: Int64, _ actions: inout [UplinkAction]) {
        switch phase {
        case .connecting, .online: break
        case .waiting, .stopped: return
        }
        if phase == .online, hearing.flushMilliseconds != nil {
            hearing.flushMilliseconds = nil
            actions.append(.flushEvery(milliseconds: nil))
        }
        phase = .waiting(until: now + backoff.nextDelayMilliseconds(using: &generator))
        requeue(flight.unfinishedControl)
        flight = Flight(nextTicket: flight.nextTicket)
        // Unacknowledged rows are pending rows: they are fetched and sent again.
        unacknowledged = Unacknowledged()
        lanes = LaneStates()
    }

    private mutating func stop(_ actions: inout [UplinkAction]) {
        switch phase {
        case .online:
            let state = ConnectionState(isOnline: false, sessionCounter: sessionCounter)
            actions += [.publishState(ticket: flight.issue(), state), .disconnect]
        case .connecting: actions.append(.abandon)
        case .waiting, .stopped: break
        }
        phase = .stopped
        unacknowledged = Unacknowledged()
    }

    private mutating func publishFailed(_ ticket: UInt64, _ problem: PublishProblem, _ now: Int64) {
        guard let message = flight.remove(ticket) else { return }
        if problem != .missing { counters.publishesRefused += 1 }
        // What is put back would be tried again at once, for ever, before the news of the end is read.
        if problem == .notConnected, flight.cutAt == nil { flight.cutAt = now }
        switch (message, problem) {
        case (.batch(let key), .missing): unacknowledged.remove(key)
        case (.batch(let key), _): unacknowledged.postpone(key, now, using: &generator)
        case (.control, .missing): break
        case (.control(let message), .notConnected): requeue([message])
        // Not at once: a broker that refuses it now would refuse it in a loop.
        case (.control(.birth), .refused), (.control(.state), .refused): control.birthAt = now + 30_000
        case (.control, .refused): break
        }
    }
}

func earliest(_ left: Int64?, _ right: Int64?) -> Int64? {
    guard let left else { return right }
    guard let right else { return left }
    return min(left, right)
}
