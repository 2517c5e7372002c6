import RuntimeSupport
import Telemetry

/// Messages: who may send and get them, and what a lying broker makes of them.
extension FakeBroker {
    static let historyMax = 64

    func add(_ filters: [TopicFilter], _ quality: QualityOfService, to session: Session) {
        for filter in filters {
            // A filter that is subscribed to again takes the new quality.
            session.subscriptions.removeAll { $0.filter == filter }
            session.subscriptions.append((filter, quality))
            // mosquitto grants every SUBSCRIBE and filters delivery.
            for topic in retained.keys.sorted() where filter.matches(topic) {
                if let message = retained[topic] { deliver(message, to: session, isRetained: true) }
            }
        }
    }

    func receive(_ message: FakeMessage, _ token: PublishToken, from session: Session) {
        counters.published += 1
        let isAllowed = mayWrite(session.user, message.topic)
        if isAllowed { take(message) } else { counters.refused += 1 }
        if chance(faults.kickShare) {
            counters.kicked += 1
            drop(session, TransportFailure(.lost, "connection reset"))
            return
        }
        guard !chance(faults.pubackLossShare) else { return }
        let refusal = isAllowed ? nil : TransportFailure(.refused, "not authorized")
        let acknowledge: (FakeTransport) -> Void = { transport in
            session.acknowledged()
            transport.didPublish(token, refused: refusal)
        }
        schedule.add(.toClient(session, attempt: session.attempt, acknowledge), at: arrivalAtClient(session))
    }

    private func take(_ message: FakeMessage) {
        if chance(faults.dropShare) {
            counters.dropped += 1
        } else {
            route(message)
        }
    }

    /// To every session that asked for it and may read it.
    func route(_ message: FakeMessage) {
        if message.isRetained {
            retained[message.topic] = message.payload.isEmpty ? nil : message
        }
        for clientID in clientIDs {
            guard let session = sessions[clientID], session.quality(of: message.topic) != nil else { continue }
            deliver(message, to: session, isRetained: false)
        }
    }

    func deliver(_ message: FakeMessage, to session: Session, isRetained: Bool) {
        guard mayRead(session.user, message.topic) else {
            counters.refused += 1
            return
        }
        var extra: Int64 = 0
        if chance(faults.withholdShare) {
            counters.withheld += 1
            extra = Int64.random(in: faults.withholdMilliseconds, using: &generator)
        }
        schedule.add(.deliver(session, message, isRetained: isRetained), at: arrivalAtClient(session, extra: extra))
        if chance(faults.duplicateShare) {
            counters.duplicated += 1
            schedule.add(.deliver(session, message, isRetained: isRetained), at: arrivalAtClient(session))
        }
        if chance(faults.replayShare), let old = session.history.randomElement(using: &generator) {
            counters.replayed += 1
            schedule.add(.deliver(session, old, isRetained: false), at: arrivalAtClient(session))
        }
        if chance(faults.forgeShare) {
            counters.forged += 1
            let forged = forge(message)
            schedule.add(.deliver(session, forged, isRetained: isRetained), at: arrivalAtClient(session))
        }
        if faults.replayShare > 0 {
            if session.history.count >= Self.historyMax {
                session.history.remove(at: Int.random(in: 0..<Self.historyMax, using: &generator))
            }
            session.history.append(message)
        }
    }

    /// A corrupted copy, random bytes, or the content under another agent's name.
    private func forge(_ message: FakeMessage) -> FakeMessage {
        var forged = message
        switch Int.random(in: 0..<3, using: &generator) {
        case 0 where !message.payload.isEmpty:
            let index = Int.random(in: 0..<message.payload.count, using: &generator)
            forged.payload[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1:
            let count = Int.random(in: 0..<max(1, message.payload.count), using: &generator)
            forged.payload = Array(message.payload.prefix(count))
        default:
            let count = Int.random(in: 0...512, using: &generator)
            forged.payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        return forged
    }

    /// The message is at the client's door, or waits for its return.
    func hand(_ message: FakeMessage, to session: Session, isRetained: Bool) {
        guard let transport = session.transport else {
            guard session.options.sessionExpirySeconds > 0, sessions[session.clientID] === session,
                session.quality(of: message.topic) != .atMostOnce
            else { return }
            if session.queue.count < queuedMessagesMax {
                session.queue.append(message)
            } else {
                counters.queueDropped += 1
            }
            return
        }
        counters.delivered += 1
        transport.didReceive(message, isRetained: isRetained)
    }

    // MARK: Rules

    func mayWrite(_ user: String?, _ topic: String) -> Bool { isAllowed(.write, user, topic) }
    func mayRead(_ user: String?, _ topic: String) -> Bool { isAllowed(.read, user, topic) }

    private func isAllowed(_ access: Rule.Access, _ user: String?, _ topic: String) -> Bool {
        guard !rules.isEmpty else { return true }
        return rules.contains { rule in
            guard rule.access == access, rule.user == nil || rule.user == user else { return false }
            var pattern = rule.pattern
            if pattern.holds("%u") {
                // A user name with wildcards must not become a pattern (CVE-2017-7650).
                guard let user, !user.contains(where: { $0 == "+" || $0 == "#" }), !user.isEmpty else { return false }
                pattern = pattern.split(separator: "/", omittingEmptySubsequences: false)
                    .map { $0 == "%u" ? user : String($0) }.joined(separator: "/")
            }
            return TopicFilter(pattern)?.matches(topic) ?? false
        }
    }
}

extension FakeBroker.Session {
    func acknowledged() { unacknowledged = max(0, unacknowledged - 1) }
}
