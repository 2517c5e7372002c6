import RuntimeSupport
import Telemetry
import Testing
import Uplink
import WireFormat

@Suite("uplink: sending")
struct UplinkSendingTests {
    @Test("R12: what the broker took and lost is sent again; only an acknowledgement settles")
    func pubackFreesNothing() {
        var node = FakeNode()
        node.connect()
        let key = node.store(.live)
        node.puback()
        #expect(node.take().batches.map(\.key) == [key])
        #expect(node.rows.count == 1)
        node.cut()
        node.reconnect()
        let actions = node.take()
        #expect(actions.batches.map(\.key) == [key])
        #expect(!actions.settles)
        node.acknowledge([key])
        #expect(node.take().settles)
        #expect(node.rows.isEmpty)
        node.advance(3_600_000)
        #expect(node.take().batches.isEmpty)
        #expect(node.violations == [])
    }

    @Test("without acknowledgements, sending stops at the credit and resends back off")
    func creditBound() {
        var node = FakeNode()
        node.connect()
        for _ in 0..<100 { node.store(.live, bytes: 10_000) }
        node.puback()
        #expect(node.machine.unacknowledgedBytes <= 256 * 1024)
        #expect(node.machine.unacknowledgedBytes > 256 * 1024 - 10_000)
        let sent = node.delivered.count
        node.advance(3_600_000)
        #expect(Set(node.delivered).count == sent)
        #expect(node.machine.unacknowledgedBytes <= 256 * 1024)
        // 5…10 s, then doubling up to 150…300 s: an hour holds fewer than 25 sendings of each row.
        #expect(node.delivered.count < sent * 25)
        #expect(node.delivered.count > sent * 10)
        #expect(node.violations == [])
    }

    @Test("a larger credit is used, and zero credit lets one batch through every 30 s")
    func creditChanges() {
        var node = FakeNode()
        node.connect()
        for _ in 0..<200 { node.store(.live, bytes: 10_000) }
        node.puback()
        node.credit = 1_000_000
        node.acknowledge([])
        #expect(node.machine.unacknowledgedBytes > 900_000)
        node.credit = 0
        node.acknowledge()
        _ = node.take()
        let before = Set(node.delivered).count
        node.advance(600_000)
        let more = Set(node.delivered).count - before
        #expect((19...21).contains(more), "\(more)")
        #expect(node.violations == [])
    }

    @Test("in flight stays within the broker's Receive Maximum", arguments: [1, 2, 3, 20, 32, 33, 65_535])
    func inFlight(receiveMaximum: Int) {
        var node = FakeNode()
        node.receiveMaximum = receiveMaximum
        node.brokerTakes = false
        node.connect()
        for _ in 0..<100 {
            node.store(.live, bytes: 100)
            node.store(.alert, bytes: 100)
        }
        for _ in 0..<300 where !node.tickets.isEmpty {
            let ticket = node.tickets.removeFirst()
            node.handle(.published(ticket: ticket))
        }
        #expect(node.violations == [])
        #expect(Set(node.delivered).count == 200)
    }

    @Test("R16: a live lane that is stuck does not hold up alerts, nor the other way")
    func lanesAreIndependent() {
        for (stuck, other) in [(Lane.live, Lane.alert), (.alert, .live)] {
            var node = FakeNode()
            node.brokerTakes = false
            node.connect()
            node.puback()
            for _ in 0..<500 { node.store(stuck, bytes: 20_000) }
            node.puback()
            _ = node.take()
            let key = node.store(other)
            #expect(node.take().batches.map(\.key) == [key], "\(other) beside \(stuck)")
            #expect(node.violations == [])
        }
    }

    @Test("what rows of the alert lane name goes before them, with one slot as with many", arguments: [1, 2, 20])
    func alertsNeeds(slots: Int) {
        var node = FakeNode()
        node.receiveMaximum = slots
        var expected: [UplinkAction.Sent] = []
        for number in 0..<12 as Range<UInt64> {
            let key = node.store(.alert, bytes: 100)
            let need = Auxiliary.key(DataKeyID(high: 1, low: number / 4))
            node.needs[key] = need
            if number % 4 == 0 { expected.append(.auxiliary(need)) }
            expected.append(.batch(key))
        }
        node.connect()
        for _ in 0..<40 { node.puback() }
        let sent = node.take().compactMap(\.sent)
        let firsts = sent.indices.filter { !sent[..<$0].contains(sent[$0]) }.map { sent[$0] }
        // A need may come again with the next rows; each comes before the first that names it, and rows in their order.
        #expect(firsts.filter(\.isBatch) == expected.filter(\.isBatch))
        for (key, need) in node.needs {
            let (row, its) = (firsts.firstIndex(of: .batch(key)), firsts.firstIndex(of: .auxiliary(need)))
            #expect(its.map { $0 < row ?? -1 } == true)
        }
        #expect(node.violations == [])
    }

    @Test("a flood of live rows without PUBACK leaves a slot to an alert")
    func reservedSlots() {
        var node = FakeNode()
        node.connect()
        node.brokerTakes = false
        for _ in 0..<100 { node.store(.live, bytes: 100) }
        _ = node.take()
        let key = node.store(.alert, bytes: 100)
        #expect(node.take().batches.map(\.key) == [key])
    }

    @Test("after an outage fresh rows go first, aged ones newest-first beside them, the oldest always among them")
    func backlog() {
        var node = FakeNode()
        for index in 0..<400 {
            node.store(.live, bytes: 20_000, ageMilliseconds: Int64(400 - index) * 100_000, tell: false)
        }
        node.connect()
        let first = node.take().batches
        #expect(first.first?.key.sequence == 1)
        #expect(first.dropFirst().first?.key.sequence == 400)
        #expect(first.allSatisfy { $0.route == .backfill })
        // A quarter of the credit is left to fresh rows.
        #expect(node.machine.unacknowledgedBytes <= 192 * 1024)
        let fresh = node.store(.live, bytes: 20_000)
        #expect(node.take().batches.map(\.key) == [fresh])
        var rounds = 0
        while !node.rows.isEmpty, rounds < 200 {
            rounds += 1
            let oldest = node.rows[0].key
            #expect(node.machine.rowsInFlight.contains(node.rows[0].row), "the oldest, \(oldest), waits")
            node.advance(300)
            let live = node.store(.live, bytes: 1000)
            #expect(node.take().batches.contains { $0.key == live && $0.route == .live })
            node.acknowledge()
        }
        #expect(node.rows.isEmpty)
        #expect(node.violations == [])
    }

    @Test("a poison batch that is never acknowledged does not stop the lane")
    func poison() {
        var node = FakeNode()
        node.connect()
        let poison = (0..<5).map { _ in node.store(.live, bytes: 50_000) }
        node.puback()
        for _ in 0..<200 {
            node.advance(1000)
            node.store(.live, bytes: 40_000)
            node.puback()
            node.acknowledge(Set(node.delivered).subtracting(poison).sorted())
        }
        #expect(node.rows.map(\.key) == poison)
        node.acknowledge { $0.rejections = poison.map { .init(key: $0, code: .malformed, isFinal: true) } }
        #expect(node.rows.isEmpty)
        #expect(node.violations == [])
    }

    @Test("a row over the limit becomes a loss; the limit follows the broker")
    func tooLarge() {
        for (packetBytes, limit) in [(1 << 28, 256 * 1024), (100_000, 100_000 - 1024)] {
            var node = FakeNode()
            node.connect(packetBytes: packetBytes)
            node.store(.live, bytes: limit + 1)
            let fits = node.store(.live, bytes: limit)
            let actions = node.take()
            #expect(
                actions.contains { if case .lose(let batch, .tooLarge) = $0 { batch.key.sequence == 1 } else { false } }
            )
            #expect(actions.batches.map(\.key) == [fits])
        }
    }

    @Test("a retry rejection is sent again later, a final one is parked before it is settled")
    func rejections() {
        var node = FakeNode()
        node.connect()
        let (again, never) = (node.store(.live), node.store(.live))
        node.puback()
        _ = node.take()
        node.acknowledge([never]) {
            $0.rejections = [
                .init(key: again, code: .limit, isFinal: false), .init(key: never, code: .malformed, isFinal: true),
            ]
        }
        let actions = node.take()
        let park = actions.firstIndex(of: .park(never, .malformed))
        let settle = actions.firstIndex { if case .settle = $0 { true } else { false } }
        #expect(park != nil && settle != nil && (park ?? 1) < (settle ?? 0))
        node.advance(11_000)
        #expect(node.take().batches.map(\.key) == [again])
    }

    @Test("replayed acknowledgements are ignored; each aggregator counts for itself")
    func replays() {
        var node = FakeNode()
        node.connect()
        let keys = (0..<3).map { _ in node.store(.live) }
        node.puback()
        let old = node.acknowledgement([keys[0]], counter: 5)
        node.handle(.acknowledged(node.acknowledgement([keys[1]], counter: 6)))
        #expect(node.rows.map(\.key) == [keys[0], keys[2]])
        node.handle(.acknowledged(old))
        node.handle(.acknowledged(node.acknowledgement([keys[2]], counter: 6)))
        #expect(node.rows.map(\.key) == [keys[0], keys[2]])
        #expect(node.machine.counters.acknowledgementsReplayed == 2)
        node.handle(.acknowledged(node.acknowledgement([keys[0]], counter: 1, aggregator: ID128(high: 2, low: 2))))
        #expect(node.rows.map(\.key) == [keys[2]])
    }

    @Test("tables and keys go before the rows that need them, and again when asked for, but not in a storm")
    func auxiliaries() {
        let (table, key) = (Auxiliary.table(.zero), Auxiliary.key(ID128(high: 1, low: 2)))
        var node = FakeNode()
        node.handle(.auxiliaryStored(key))
        node.handle(.auxiliaryStored(table))
        node.store(.live)
        node.connect()
        let actions = node.take()
        #expect(actions.auxiliaries == [key, table])
        let order = actions.compactMap { action -> Int? in
            switch action {
            case .publishAuxiliary: 0
            case .publishBatch: 1
            default: nil
            }
        }
        #expect(order == [0, 0, 1])
        for _ in 0..<5 { node.acknowledge([]) { $0.needsTables = [.zero] } }
        #expect(node.take().auxiliaries == [])
        node.advance(6000)
        node.acknowledge([]) { $0.needsTables = [.zero] }
        #expect(node.take().auxiliaries == [table])
        // Cut before the broker took it: it goes again without being asked for.
        node.brokerTakes = false
        node.advance(6000)
        node.acknowledge([]) { $0.needsKeys = [ID128(high: 1, low: 2)] }
        #expect(node.take().auxiliaries == [key])
        node.cut()
        node.reconnect()
        #expect(node.take().auxiliaries == [key])
    }

    @Test("an acknowledgement beyond what was stored shows a rewound buffer")
    func rewound() {
        var node = FakeNode()
        node.connect()
        let key = node.store(.live)
        _ = node.take()
        let beyond = BatchKey(epoch: key.epoch, lane: .live, sequence: 9)
        node.acknowledge([beyond])
        let actions = node.take()
        #expect(actions.contains(.closeEpoch(key.laneKey, acknowledged: 9)))
        #expect(actions.reports == [.epochRewound(key.laneKey, acknowledged: 9)])
    }

    @Test("a row that was evicted on its way is forgotten")
    func evicted() {
        var node = FakeNode()
        node.connect()
        let key = node.store(.live)
        node.puback()
        node.rows.removeAll()
        node.handle(.gone([key]))
        _ = node.take()
        node.advance(600_000)
        #expect(node.take().batches.isEmpty)
        #expect(node.machine.unacknowledgedBytes == 0)
        #expect(node.violations == [])
    }
}

extension UplinkAction {
    /// A batch, or what batches name.
    fileprivate enum Sent: Equatable {
        case batch(BatchKey)
        case auxiliary(Auxiliary)

        var isBatch: Bool { if case .batch = self { true } else { false } }
    }
    fileprivate var sent: Sent? {
        switch self {
        case .publishBatch(_, let batch, _): .batch(batch.key)
        case .publishAuxiliary(_, let auxiliary): .auxiliary(auxiliary)
        default: nil
        }
    }
}
