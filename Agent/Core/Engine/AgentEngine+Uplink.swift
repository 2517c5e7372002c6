import Buffer
import Control
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    // MARK: What the transport says

    func transportEvent(_ event: TransportEvent) {
        switch event {
        case .connected(let limits):
            tickets.removeAll()
            parts.report(.connected)
            tellControl(.connected)
            tell(
                .connected(
                    receiveMaximum: limits.receiveMaximum, maximumPacketSizeBytes: limits.maximumPacketSizeBytes))
        case .connectFailed(let failure):
            parts.report(.disconnected(failure.message))
            tellControl(.disconnected)
            tell(.connectFailed)
        case .disconnected(let failure):
            tickets.removeAll()
            if failure.kind != .requested { parts.report(.disconnected(failure.message)) }
            tellControl(.disconnected)
            tell(.disconnected)
            if isStopping { finish() }
        case .published(let token):
            if let ticket = tickets.removeValue(forKey: token) { tell(.published(ticket: ticket)) }
        case .publishRefused(let token, let failure):
            metrics.add("stagebox_agent_uplink_publishes_refused_total", 1, "reason", failure.kind.rawValue)
            if let ticket = tickets.removeValue(forKey: token) { tell(.publishFailed(ticket: ticket, .refused)) }
        case .subscriptionRefused(let failure):
            parts.report(.uplink("the broker refused a subscription: \(failure.message)"))
        case .message(let topic, let payload, _):
            message(topic, payload)
        }
    }

    private func message(_ topic: String, _ payload: [UInt8]) {
        do {
            switch topics.parseDown(topic) {
            case .acknowledgement:
                acknowledged(try trust.acknowledgement(payload, tenant: topics.tenant, agent: topics.agent))
            case .keys:
                if try trust.accept(bundle: payload), let bundle = trust.bundle {
                    sealer.keys.update(bundle)
                    identity.keyBundle = payload
                    parts.persist(identity)
                    hear(bundle.issuedAt)
                }
                tell(.bundleHeld(version: trust.bundleVersion))
            case .configuration: try configure(payload)
            case .groupConfiguration(let group): try configure(payload, group: group)
            case .command: try command(payload)
            case nil: metrics.add("stagebox_agent_messages_refused_total", 1, "reason", "topic")
            }
        } catch {
            metrics.add("stagebox_agent_messages_refused_total", 1, "reason", "not-authentic")
            if topic.hasSuffix("/down/config") { tellControl(.unverified(reason: "\(error)")) }
            parts.report(.acknowledgementRefused("\(topic): \(error)"))
        }
    }

    private func acknowledged(_ acknowledgement: Acknowledgement) {
        let actions = uplink.handle(.acknowledged(acknowledgement), now: now)
        // A replayed acknowledgement settles nothing; a fresh one is applied whole, rejections first.
        let isFresh = actions.contains {
            switch $0 {
            case .settle, .park: true
            default: false
            }
        }
        if isFresh { settle(acknowledgement) }
        perform(actions)
        if isFresh { tellControl(.acknowledged) }
    }

    private func settle(_ acknowledgement: Acknowledgement) {
        do {
            let outcome = try buffer.settle(acknowledgement)
            metrics.add("stagebox_agent_uplink_batches_acknowledged_total", Double(outcome.committed.batches))
            metrics.add("stagebox_agent_uplink_batches_rejected_total", Double(outcome.rejected.batches))
        } catch {
            // Nothing was freed: the aggregator repeats itself, and so does this.
            parts.report(.rowsNotStored("an acknowledgement could not be applied: \(error)"))
        }
    }

    // MARK: What the uplink wants

    func perform(_ actions: [UplinkAction]) {
        // An action may lead to the next event; the queue keeps their order.
        var queue = actions[...]
        while let action = queue.popFirst() {
            if let answer = perform(action) { queue.append(contentsOf: uplink.handle(answer, now: now)) }
        }
    }

    /// - Returns: what the uplink has to hear back.
    private func perform(_ action: UplinkAction) -> UplinkEvent? {
        switch action {
        case .connect(let sessionCounter): return connect(sessionCounter)
        case .abandon: parts.transport.abandon()
        case .disconnect: parts.transport.disconnect()
        case .subscribe:
            do { try parts.transport.subscribe(topics.subscriptions) } catch {
                parts.report(.uplink("cannot subscribe: \(error)"))
            }
        case .publishState(let ticket, let state):
            return publish(ticket, topics.up(.state), state.encoded(), retain: true)
        case .publishBirth(let ticket, let sessionCounter, let challenge):
            return publish(ticket, topics.up(.birth), birth(sessionCounter, challenge))
        case .publishBatch(let ticket, let batch, let route):
            guard let payload = try? buffer.payload(batch.row) else {  // damaged or evicted: a loss tells of it
                return .publishFailed(ticket: ticket, .missing)
            }
            return publish(ticket, topics.up(.batch(route)), payload)
        case .publishAuxiliary(let ticket, let auxiliary):
            guard let payload = auxiliaryPayload(auxiliary.name) else {
                return .publishFailed(ticket: ticket, .missing)
            }
            return publish(ticket, topics.up(.batch(.live)), payload)
        case .publishResult(let ticket, let number):
            guard let payload = results[number] else { return .publishFailed(ticket: ticket, .missing) }
            return publish(ticket, topics.up(.result), payload)
        case .fetch(let fetch): return self.fetch(fetch)
        case .settle, .park: break  // done whole, in `settle`
        case .lose(let batch, let reason):
            do { _ = try buffer.declareLost(batch.key, reason) } catch {
                parts.report(.rowsNotStored("a loss could not be recorded: \(error)"))
            }
        case .closeEpoch(let lane, let acknowledged):
            parts.report(.uplink("epoch \(lane.epoch) was acknowledged to \(acknowledged), beyond what it produced"))
        case .flushEvery(let milliseconds):
            wantedFlushMilliseconds = milliseconds.map(Int64.init)
            nextFlush = min(nextFlush, now + flushMilliseconds)
        case .desiredConfiguration(let version): control.desiredVersion = version
        case .aggregatorTime(let time): hear(time)
        case .desiredBundle: break
        case .report(let report):
            metrics.add("stagebox_agent_uplink_reports_total")
            parts.report(.uplink(String(describing: report)))
        }
        return nil
    }

    private func connect(_ sessionCounter: UInt64) -> UplinkEvent? {
        do {
            _ = try buffer.nextSession()
        } catch {
            parts.report(.rowsNotStored("the session counter could not be kept: \(error)"))
        }
        let brokerHost = settings.brokerHost ?? identity.brokerHost
        let brokerPort = settings.brokerPort ?? identity.brokerPort
        let will = ConnectionState(isOnline: false, sessionCounter: sessionCounter)
        let options = TransportOptions(
            host: brokerHost, port: brokerPort,
            tls: identity.isBrokerTLS
                ? TransportOptions.TLS(
                    certificateAuthorityPEM: identity.certificateAuthority, timeFloor: timeFloor.time) : nil,
            clientID: "sbx-" + buffer.runningEpoch.description, user: "\(identity.tenant)/\(identity.agent)",
            password: identity.password, will: TransportOptions.Will(topic: topics.up(.state), payload: will.encoded()))
        do {
            try parts.transport.connect(options)
            return nil
        } catch {
            parts.report(.disconnected("cannot connect to \(brokerHost):\(brokerPort): \(error)"))
            return .connectFailed
        }
    }

    /// A table or key that is gone may come back with a flush, if this start uses it too. If it does not, the rows that
    /// name it can never be read: they are lost, and that is told.
    private func auxiliaryPayload(_ name: AuxiliaryName) -> [UInt8]? {
        do {
            if let payload = try buffer.auxiliary(name) { return payload }
            guard now - startedAt >= Self.auxiliaryPatienceMilliseconds else { return nil }
            switch name {
            case .table(let hash):
                guard !tables.tables.contains(where: { $0.hash == hash }) else { return nil }
                _ = try buffer.declareLost(naming: name, .tableLost)
            case .key(let id):
                guard sealer.keys.current?.key.id != id else { return nil }
                buffer.forgetTables(sealedWith: id)
                _ = try buffer.declareLost(naming: name, .damaged)
            }
        } catch {
            parts.report(.rowsNotStored("\(name) could not be read: \(error)"))
        }
        return nil
    }

    /// Longer than any flush interval.
    private static let auxiliaryPatienceMilliseconds: Int64 = 90_000

    private func publish(_ ticket: UInt64, _ topic: String, _ payload: [UInt8], retain: Bool = false) -> UplinkEvent? {
        do {
            tickets[try parts.transport.publish(topic: topic, payload: payload, retain: retain)] = ticket
            return nil
        } catch {
            switch error {
            case .notConnected: return .publishFailed(ticket: ticket, .notConnected)
            default: return .publishFailed(ticket: ticket, .refused)
            }
        }
    }

    private func fetch(_ fetch: UplinkFetch) -> UplinkEvent {
        do {
            let excluding = Set(fetch.excluding)
            let rows =
                switch fetch.direction {
                case .oldest: try buffer.oldestPending(lane: fetch.lane, limit: fetch.limit, excluding: excluding)
                case .newest: try buffer.newestPending(lane: fetch.lane, limit: fetch.limit, excluding: excluding)
                }
            return .fetched(fetch, rows: rows, time: time.now, needs: fetch.lane == .alert ? try needs(of: rows) : [])
        } catch {
            parts.report(.rowsNotStored("rows could not be read: \(error)"))
            return .fetched(fetch, rows: [], time: time.now)
        }
    }

    /// The keys and tables of rows that earlier starts left, once each; this start's own went when they were made.
    private func needs(of rows: [PendingBatch]) throws -> [Auxiliary] {
        var needs: [Auxiliary] = []
        for row in rows where row.key.epoch != buffer.runningEpoch {
            for need in try buffer.names(row.row).map(Auxiliary.init) where !needs.contains(need) {
                needs.append(need)
            }
        }
        return needs
    }

    private func birth(_ sessionCounter: UInt64, _ challenge: ID128) -> [UInt8] {
        let birth = Birth(
            sessionCounter: sessionCounter, runningEpoch: buffer.runningEpoch,
            lanes: (try? buffer.laneStates(max: 64)) ?? [],  // unreadable: the next birth tells
            agentVersion: parts.version, clock: parts.clock(), time: time.now,
            runningConfigurationVersion: control.state.runningVersion(.agent),
            attemptedConfigurationVersion: control.state.lastAttempted[.agent] ?? 0,
            keyBundleVersion: trust.bundleVersion,
            challenge: challenge, bufferBytes: UInt64(max(0, buffer.fileBytes)))
        return SignedRecord.sign(.birth, tenant: topics.tenant, agent: topics.agent, record: birth, with: signingKey)
    }
}

extension Auxiliary {
    init(_ name: AuxiliaryName) {
        switch name {
        case .table(let hash): self = .table(hash)
        case .key(let id): self = .key(id)
        }
    }

    var name: AuxiliaryName {
        switch self {
        case .table(let hash): .table(hash)
        case .key(let id): .key(id)
        }
    }
}
