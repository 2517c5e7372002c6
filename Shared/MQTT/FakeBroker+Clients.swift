import RuntimeSupport

/// Connections: how clients come, go and get lost.
extension FakeBroker {
    // MARK: What transports call

    func connect(_ transport: FakeTransport, _ options: TransportOptions) {
        var arrival = now + delay()
        if let partition = faults.isPartitioned(options.clientID, at: now) {
            // A SYN is repeated until the network is back or patience ends.
            arrival = min(partition.until + 1, now + options.connectTimeoutMilliseconds)
        }
        schedule.add(.connectArrives(transport, attempt: transport.attempt, options), at: arrival)
    }

    func leave(_ transport: FakeTransport, graceful: Bool) {
        guard let session = session(of: transport) else { return }
        let isCutOff = faults.isPartitioned(session.clientID, at: now) != nil
        detach(session)
        if !graceful || isCutOff { sendWill(of: session) }
        forgetIfTemporary(session)
    }

    func subscribe(_ transport: FakeTransport, _ filters: [TopicFilter], _ quality: QualityOfService) {
        guard let session = session(of: transport) else { return }
        schedule.add(
            .subscribeArrives(session, attempt: session.attempt, filters, quality), at: arrivalAtBroker(session))
    }

    func publish(_ transport: FakeTransport, _ token: PublishToken, _ message: FakeMessage) {
        guard let session = session(of: transport) else { return }
        session.unacknowledged += 1
        if session.unacknowledged > limits.receiveMaximum {
            let failure = TransportFailure(.protocolError, "more than \(limits.receiveMaximum) messages in flight")
            schedule.add(
                .toClient(session, attempt: session.attempt) { [weak self] _ in self?.drop(session, failure) },
                at: now + 1)
            return
        }
        schedule.add(.publishArrives(session, attempt: session.attempt, token, message), at: arrivalAtBroker(session))
    }

    private func session(of transport: FakeTransport) -> Session? {
        guard let options = transport.options, let session = sessions[options.clientID], session.transport === transport
        else { return nil }
        return session
    }

    // MARK: Connecting

    func accept(_ transport: FakeTransport, _ attempt: UInt64, _ options: TransportOptions) {
        guard transport.attempt == attempt, transport.state == .connecting else { return }
        if now < downUntil || faults.isPartitioned(options.clientID, at: now) != nil {
            transport.close(
                .connectFailed(TransportFailure(.unreachable, "cannot reach \(options.host):\(options.port)")))
            return
        }
        if !passwords.isEmpty, options.user.flatMap({ passwords[$0] }) != options.password || options.user == nil {
            counters.refused += 1
            transport.close(.connectFailed(TransportFailure(.refused, "bad user name or password")))
            return
        }
        if let old = sessions[options.clientID], old.transport != nil {
            drop(old, TransportFailure(.takenOver, "another connection uses our client id"))
        }
        let kept = options.cleanStart ? nil : sessions[options.clientID]
        let session = kept ?? Session(options)
        session.options = options
        session.user = options.user
        session.transport = transport
        session.attempt = attempt
        session.unacknowledged = 0
        sessions[options.clientID] = session
        var limits = limits
        limits.isSessionPresent = kept != nil
        transport.didConnect(limits)
        let waiting = session.queue
        session.queue.removeAll()
        for message in waiting { deliver(message, to: session, isRetained: false) }
        watchPartitions(session)
    }

    /// A partition longer than the keep-alive ends the connection.
    private func watchPartitions(_ session: Session) {
        let patience = Int64(session.options.keepAliveSeconds) * 1500
        for partition in faults.partitions
        where session.clientID.hasPrefix(partition.clientPrefix) && partition.until > now {
            let end = max(now, partition.from) + patience
            if end < partition.until { schedule.add(.keepAliveEnds(session, attempt: session.attempt), at: end) }
        }
    }

    /// The broker ends a connection without the client's goodbye.
    func drop(_ session: Session, _ failure: TransportFailure) {
        guard let transport = detach(session) else { return }
        sendWill(of: session)
        forgetIfTemporary(session)
        transport.close(.disconnected(failure))
    }

    private func sendWill(of session: Session) {
        guard let will = session.options.will else { return }
        counters.wills += 1
        let message = FakeMessage(topic: will.topic, payload: will.payload, isRetained: will.isRetained)
        if mayWrite(session.user, will.topic) { route(message) }
    }

    private func forgetIfTemporary(_ session: Session) {
        if session.options.sessionExpirySeconds == 0, sessions[session.clientID] === session {
            sessions[session.clientID] = nil
        }
    }

    // MARK: Time on the way

    var areFaultsOn: Bool { now < faults.until }

    func delay() -> Int64 {
        let range = areFaultsOn ? faults.delayMilliseconds : FaultPlan.none.delayMilliseconds
        return Int64.random(in: range, using: &generator)
    }

    func chance(_ share: Double) -> Bool {
        areFaultsOn && share > 0 && Double.random(in: 0..<1, using: &generator) < share
    }

    private func arrivalAtBroker(_ session: Session) -> Int64 {
        var arrival = now + delay()
        if let partition = faults.isPartitioned(session.clientID, at: now) {
            arrival = max(arrival, partition.until + 1)
        }
        // A TCP connection keeps the order towards the broker; only the broker may change it.
        session.lastToBroker = max(session.lastToBroker, arrival)
        return session.lastToBroker
    }

    func arrivalAtClient(_ session: Session, extra: Int64 = 0) -> Int64 {
        var arrival = now + delay() + extra
        if let partition = faults.isPartitioned(session.clientID, at: now) {
            arrival = max(arrival, partition.until + 1)
        }
        if areFaultsOn, faults.reorders || extra > 0 { return arrival }
        session.lastToClient = max(session.lastToClient, arrival)
        return session.lastToClient
    }
}
