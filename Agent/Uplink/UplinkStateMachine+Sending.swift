import Telemetry
import WireFormat

/// What to send next: control messages, resends, alerts, the oldest live row, then live rows from the newest.
extension UplinkStateMachine {
    mutating func plan(_ now: Int64, _ actions: inout [UplinkAction]) {
        guard phase == .online else { return }
        sendControl(now, &actions)
        resend(now, &actions)
        ask(.alert, now, &actions)
        ask(.live, now, &actions)
    }

    private mutating func sendControl(_ now: Int64, _ actions: inout [UplinkAction]) {
        while flight.freeSlots > 0, let message = control.next {
            control.removeFirst()
            if case .auxiliary(let auxiliary) = message, !control.maySend(auxiliary, now: now) { continue }
            let ticket = flight.send(.control(message), now: now)
            switch message {
            case .state:
                let state = ConnectionState(isOnline: true, sessionCounter: sessionCounter)
                actions.append(.publishState(ticket: ticket, state))
            case .birth:
                counters.births += 1
                actions.append(
                    .publishBirth(ticket: ticket, sessionCounter: sessionCounter, challenge: control.challenge))
                control.challenge = .zero
            case .auxiliary(let auxiliary):
                counters.auxiliariesSent += 1
                actions.append(.publishAuxiliary(ticket: ticket, auxiliary))
            case .result(let number): actions.append(.publishResult(ticket: ticket, number))
            }
        }
    }

    private mutating func resend(_ now: Int64, _ actions: inout [UplinkAction]) {
        for entry in unacknowledged.due(now) {
            let key = entry.batch.key
            guard (key.lane == .alert ? flight.freeSlots : flight.freeBulkSlots) > 0 else { continue }
            if flight.holds(entry.ticket) {
                unacknowledged.postpone(key, now, using: &generator)
                continue
            }
            // What already holds its credit is sent again within it; what lost it must find room.
            if !entry.holdsCredit, !fits(entry.batch, entry.route, now) {
                unacknowledged.postpone(key, now, using: &generator)
                continue
            }
            let ticket = flight.send(.batch(key), now: now)
            unacknowledged.resent(key, ticket: ticket, now: now, using: &generator)
            counters.batchesResent += 1
            counters.bytesSent += UInt64(entry.batch.sizeBytes)
            actions.append(.publishBatch(ticket: ticket, entry.batch, entry.route))
        }
    }

    /// Asks the buffer for rows if some may be sent now.
    private mutating func ask(_ lane: Lane, _ now: Int64, _ actions: inout [UplinkAction]) {
        if lanes[lane].isTrickling, now >= credit.trickleAt { lanes[lane].creditFreed() }
        let state = lanes[lane]
        let slots = lane == .alert ? flight.freeSlots : flight.freeBulkSlots
        let room = UplinkLimits.unacknowledgedRowsMax - unacknowledged.count(lane)
        guard !state.isFetching, !state.isDrained, !state.isBlocked, slots > 0, room > 0 else { return }
        let needsOldest = lane == .live && !(state.oldest.map(unacknowledged.contains) ?? false)
        let fetch =
            needsOldest
            ? UplinkFetch(lane: lane, direction: .oldest, limit: 1, excluding: [])
            : UplinkFetch(
                lane: lane, direction: lane == .alert ? .oldest : .newest,
                limit: min(slots, room, UplinkLimits.fetchRowsMax), excluding: unacknowledged.rows(lane))
        lanes[lane].isFetching = true
        actions.append(.fetch(fetch))
    }

    mutating func didFetch(
        _ fetch: UplinkFetch, _ rows: [PendingBatch], _ time: Timestamp, _ needs: [Auxiliary], _ now: Int64,
        _ actions: inout [UplinkAction]
    ) {
        guard phase == .online, lanes[fetch.lane].isFetching else { return }
        needs.forEach { enqueue(.auxiliary($0)) }
        sendControl(now, &actions)
        lanes[fetch.lane].isFetching = false
        if fetch.direction == .oldest, fetch.lane == .live {
            lanes.live.oldest = rows.first?.key
            if rows.isEmpty { lanes.live.isDrained = true }
        } else if rows.count < fetch.limit {
            lanes[fetch.lane].isDrained = true
        }
        for batch in rows where !unacknowledged.contains(batch.key) {
            guard batch.sizeBytes <= flight.batchBytesMax else {
                actions.append(.lose(batch, .tooLarge))
                continue
            }
            let slots = fetch.lane == .alert ? flight.freeSlots : flight.freeBulkSlots
            let route = route(of: batch, at: time)
            guard slots > 0, fits(batch, route, now) else {
                lanes[fetch.lane].isDrained = false
                if slots > 0 {
                    lanes[fetch.lane].block(trickles: batch.key.lane == .live && batch.sizeBytes > credit.bytes)
                }
                return
            }
            if batch.key.lane == .live, batch.sizeBytes > credit.bytes { credit.trickled(now: now) }
            let ticket = flight.send(.batch(batch.key), now: now)
            unacknowledged.insert(batch, route, ticket: ticket, now: now, using: &generator)
            counters.batchesSent += 1
            counters.bytesSent += UInt64(batch.sizeBytes)
            actions.append(.publishBatch(ticket: ticket, batch, route))
        }
    }

    private func route(of batch: PendingBatch, at time: Timestamp) -> BatchRoute {
        if batch.key.lane == .alert { return .alert }
        // A stepped clock makes rows look stored in the future: aged, too.
        let age = time.milliseconds(since: batch.storedAt)
        return age.magnitude > UInt64(UplinkLimits.agedMilliseconds) ? .backfill : .live
    }

    /// Whether a batch may add to the unacknowledged bytes now.
    private func fits(_ batch: PendingBatch, _ route: BatchRoute, _ now: Int64) -> Bool {
        let bytes = unacknowledged.bytes
        if batch.key.lane == .alert {
            return bytes.alert == 0 || bytes.alert + batch.sizeBytes <= UplinkLimits.alertCreditBytes
        }
        if batch.sizeBytes > credit.bytes { return now >= credit.trickleAt }
        guard bytes.live + batch.sizeBytes <= credit.bytes else { return false }
        let isOldest = batch.key == lanes.live.oldest
        return route != .backfill || isOldest || bytes.aged == 0 || bytes.aged + batch.sizeBytes <= credit.agedBytes
    }
}
