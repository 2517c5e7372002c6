import RuntimeSupport
import Telemetry
import Uplink
import WireFormat

/// A buffer, a broker and an aggregator around one uplink, in virtual time: what happens on the other side is
/// the test's to say. Checks the bounds after every step.
struct FakeNode {
    static let epoch = ID128(high: 7, low: 7)
    static let aggregator = ID128(high: 1, low: 1)

    var machine: UplinkStateMachine
    var now: Int64 = 0
    var wall: Timestamp { Timestamp(milliseconds: 1_800_000_000_000 + now) }
    var rows: [PendingBatch] = []
    /// Everything done since the last `take()`.
    var actions: [UplinkAction] = []
    var brokerTakes = true
    /// Published and not taken yet.
    var tickets: [UInt64] = []
    /// Batches that reached the broker, in order.
    var delivered: [BatchKey] = []
    var settledByAggregator: Set<BatchKey> = []
    var next: [Lane: UInt64] = [:]
    /// What rows name, as the buffer would tell.
    var needs: [BatchKey: Auxiliary] = [:]
    var counter: UInt64 = 0
    var credit: UInt64 = 256 * 1024
    var receiveMaximum = 20
    var violations: [String] = []
    /// The connection has ended, but that is not told yet: every publish fails.
    var isCut = false
    private var rowNumber: Int64 = 0

    init(seed: UInt64 = 1) {
        machine = UplinkStateMachine(runningEpoch: Self.epoch, sessionCounter: 41, seed: seed, now: 0)
        handle(.tick)
    }

    mutating func take() -> [UplinkAction] {
        defer { actions.removeAll() }
        return actions
    }

    mutating func handle(_ event: UplinkEvent) {
        var queue = [event]
        var steps = 0
        while !queue.isEmpty {
            steps += 1
            if steps > 10_000 {
                violations.append("the machine never rests")
                return
            }
            let performed = machine.handle(queue.removeFirst(), now: now)
            for action in performed { perform(action, &queue) }
        }
        if tickets.count > min(32, receiveMaximum) { violations.append("\(tickets.count) in flight") }
        if let deadline = machine.nextDeadline, deadline <= now { violations.append("deadline \(deadline) at \(now)") }
    }

    private mutating func perform(_ action: UplinkAction, _ queue: inout [UplinkEvent]) {
        actions.append(action)
        if isCut, let ticket = action.ticket {
            queue.append(.publishFailed(ticket: ticket, .notConnected))
            return
        }
        switch action {
        case .fetch(let fetch):
            let pending = rows.filter { $0.key.lane == fetch.lane && !fetch.excluding.contains($0.row) }
            let ordered = fetch.direction == .oldest ? pending : pending.reversed()
            let found = Array(ordered.prefix(fetch.limit))
            queue.append(.fetched(fetch, rows: found, time: wall, needs: found.compactMap { needs[$0.key] }))
        case .publishBatch(let ticket, let batch, _):
            tickets.append(ticket)
            delivered.append(batch.key)
            if !rows.contains(where: { $0.key == batch.key }) {
                violations.append("sent a row that is gone: \(batch.key)")
            }
        case .publishState(let ticket, _), .publishBirth(let ticket, _, _), .publishAuxiliary(let ticket, _),
            .publishResult(let ticket, _):
            tickets.append(ticket)
        case .settle(let settled):
            rows.removeAll { row in
                row.key.laneKey == settled.laneKey
                    && (row.key.sequence <= settled.contiguous
                        || settled.ranges.contains { $0.contains(row.key.sequence) })
            }
        case .lose(let batch, _): rows.removeAll { $0.key == batch.key }
        case .park(let key, _): rows.removeAll { $0.key == key }
        case .abandon, .disconnect: tickets.removeAll()
        default: break
        }
    }

    // MARK: The agent's side

    @discardableResult
    mutating func store(_ lane: Lane, bytes: Int = 1000, ageMilliseconds: Int64 = 0, tell: Bool = true) -> BatchKey {
        rowNumber += 1
        let sequence = next[lane, default: 1]
        next[lane] = sequence + 1
        let key = BatchKey(epoch: Self.epoch, lane: lane, sequence: sequence)
        rows.append(
            PendingBatch(
                row: rowNumber, key: key, kind: .metrics, sizeBytes: bytes, recordCount: 10,
                storedAt: wall.advanced(byMilliseconds: -ageMilliseconds)))
        if tell { handle(.stored(key.laneKey, next: sequence + 1)) }
        return key
    }

    mutating func advance(_ milliseconds: Int64) {
        let end = now + milliseconds
        while let deadline = machine.nextDeadline, deadline <= end {
            now = max(now + 1, deadline)
            handle(.tick)
            if brokerTakes { puback() }
        }
        now = max(now, end)
    }

    // MARK: The broker's side

    mutating func connect(packetBytes: Int = 1 << 28) {
        handle(.connected(receiveMaximum: receiveMaximum, maximumPacketSizeBytes: packetBytes))
        if brokerTakes { puback() }
    }

    /// Goes on until the next attempt, and lets it succeed.
    mutating func reconnect() {
        let attempts = machine.counters.connectionAttempts
        while machine.counters.connectionAttempts == attempts { advance(100) }
        actions.removeAll()
        connect()
    }

    mutating func cut() {
        tickets.removeAll()
        handle(.disconnected)
    }

    mutating func puback() {
        while !tickets.isEmpty { handle(.published(ticket: tickets.removeFirst())) }
    }

    // MARK: The aggregator's side

    /// Commits what reached the broker.
    mutating func commit() { settledByAggregator.formUnion(delivered) }

    func acknowledgement(
        _ keys: some Sequence<BatchKey>, counter: UInt64, aggregator: ID128 = FakeNode.aggregator,
        change: (inout Acknowledgement) -> Void = { _ in }
    ) -> Acknowledgement {
        var settled: [LaneKey: [ClosedRange<UInt64>]] = [:]
        for key in keys.sorted() { settled[key.laneKey, default: []].append(key.sequence...key.sequence) }
        var acknowledgement = Acknowledgement(
            counter: counter, runningEpoch: Self.epoch, aggregatorID: aggregator,
            settled: settled.sorted { $0.key < $1.key }.map { .init(laneKey: $0.key, contiguous: 0, ranges: $0.value) },
            time: wall, creditBytes: credit)
        change(&acknowledgement)
        return acknowledgement
    }

    mutating func acknowledge(_ keys: [BatchKey]? = nil, change: (inout Acknowledgement) -> Void = { _ in }) {
        counter += 1
        if keys == nil { commit() }
        let settled = keys.map(Set.init) ?? settledByAggregator
        handle(.acknowledged(acknowledgement(settled, counter: counter, change: change)))
        if brokerTakes { puback() }
    }
}

extension UplinkAction {
    /// Of what is to be published.
    var ticket: UInt64? {
        switch self {
        case .publishBatch(let ticket, _, _), .publishState(let ticket, _), .publishBirth(let ticket, _, _),
            .publishAuxiliary(let ticket, _), .publishResult(let ticket, _):
            ticket
        default: nil
        }
    }
}

extension [UplinkAction] {
    var batches: [(key: BatchKey, route: BatchRoute)] {
        compactMap { if case .publishBatch(_, let batch, let route) = $0 { (batch.key, route) } else { nil } }
    }
    var births: [ID128] { compactMap { if case .publishBirth(_, _, let challenge) = $0 { challenge } else { nil } } }
    var auxiliaries: [Auxiliary] {
        compactMap { if case .publishAuxiliary(_, let auxiliary) = $0 { auxiliary } else { nil } }
    }
    var reports: [UplinkReport] { compactMap { if case .report(let report) = $0 { report } else { nil } } }
    var settles: Bool { contains { if case .settle = $0 { true } else { false } } }
    var connects: [UInt64] { compactMap { if case .connect(let counter) = $0 { counter } else { nil } } }
    var flushes: [UInt32?] { compactMap { if case .flushEvery(let value) = $0 { .some(value) } else { nil } } }
}
