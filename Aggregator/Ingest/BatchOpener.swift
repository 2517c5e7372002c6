package import Sealing
package import Telemetry
import WireFormat

/// Turns a PUBLISH into an ``OpenedMessage``: checks who it is from, opens the seal, decodes everything.
///
/// Thread-safe: any number of opener threads share one. It keeps no state of its own; the key ring, the
/// certificates and the key records behind it are thread-safe. The cost is the cost of XChaCha20-Poly1305
/// and of decoding; no call waits for a disk except the first use of a data key after a restart.
package struct BatchOpener: Sendable {
    private let certificates: any CertificateSource
    private let keys: KeyRing
    private let records: any KeyRecordStore
    private let bodies: any BodyDecoder

    package init(
        certificates: any CertificateSource, keys: KeyRing, records: any KeyRecordStore, bodies: any BodyDecoder
    ) {
        self.certificates = certificates
        self.keys = keys
        self.records = records
        self.bodies = bodies
    }

    /// - Returns: nil for a topic that is no agent's `up` topic: to be counted and dropped.
    package func open(topic: String, payload: [UInt8], now: Timestamp) -> OpenedMessage? {
        guard let (tenant, agent, kind) = Topics.parseUp(topic) else { return nil }
        let content = content(kind, tenant, agent, payload, now)
        return OpenedMessage(
            tenant: tenant, agent: agent, receivedAt: now, sizeBytes: payload.count, content: content)
    }

    private func content(
        _ kind: UpTopic, _ tenant: TenantID, _ agent: AgentID, _ payload: [UInt8], _ now: Timestamp
    ) -> OpenedMessage.Content {
        guard payload.count <= WireLimits.batchBytesMax else {
            return rejected(.tooLarge, "\(payload.count) bytes", Array(payload.prefix(256)))
        }
        // A birth may come after the certificate has ended: it is what a new one is issued on.
        guard
            let certificate = certificates.certificate(of: agent, in: tenant, at: now)
                ?? (kind == .birth ? certificates.endedCertificate(of: agent, in: tenant) : nil)
        else {
            let claimed = try? BatchHeader(decodingPrefixOf: payload).key  // for the answer only
            return rejected(.unknownAgent, "no certificate in force", payload, claimed: claimed)
        }
        switch kind {
        case .birth:
            return signed(payload, .birth, certificate) { (body) throws(WireError) in
                .birth(try Birth(decoding: body))
            }
        case .result:
            return result(payload, certificate)
        case .state:
            do {
                return .state(try ConnectionState(decoding: payload))
            } catch {
                return rejected(.malformed, "state: \(error)", payload)
            }
        case .batch:
            return batch(certificate, payload, now)
        }
    }

    private func signed(
        _ payload: [UInt8], _ kind: RecordKind, _ certificate: Certificate,
        _ decode: ([UInt8]) throws(WireError) -> OpenedMessage.Content
    ) -> OpenedMessage.Content {
        let body: [UInt8]
        do {
            body = try SignedRecord.verify(
                payload, kind, tenant: certificate.tenant, agent: certificate.agent, keys: [certificate.identityKey])
        } catch {
            return rejected(code(of: error), "\(kind): \(error)", payload)
        }
        do { return try decode(body) } catch { return rejected(.malformed, "\(kind): \(error)", payload) }
    }

    /// Sealed to one of the key ring's pairs; inside, a record that the identity signed.
    private func result(_ payload: [UInt8], _ certificate: Certificate) -> OpenedMessage.Content {
        let sealed: SealedResult
        do { sealed = try SealedResult(decoding: payload) } catch {
            return rejected(.malformed, "result: \(error)", payload)
        }
        let record: [UInt8]
        do throws(KeyRing.Refusal) { record = try keys.open(sealed) } catch {
            return rejected(error == .destroyed ? .keyDestroyed : .notAuthentic, "sealed result", payload)
        }
        if let envelope = try? SignedEnvelope(decoding: record), envelope.kind == .commandResult {
            return signed(record, .commandResult, certificate) { (body) throws(WireError) in
                .commandResult(try CommandResult(decoding: body))
            }
        }
        return signed(record, .result, certificate) { (body) throws(WireError) in
            .report(try ManifestReport(decoding: body))
        }
    }

    private func batch(_ certificate: Certificate, _ payload: [UInt8], _ now: Timestamp) -> OpenedMessage.Content {
        let header: BatchHeader
        do {
            header = try BatchHeader(decodingPrefixOf: payload)
        } catch {
            return rejected(.malformed, "header: \(error)", payload)
        }
        guard header.agent == certificate.agent else {
            return rejected(.notAuthentic, "header of another agent", payload)
        }
        if header.kind == .key { return key(certificate, header, payload, now) }
        let key: DataKey
        do {
            guard let found = try dataKey(certificate, header) else { return .needsKey(header.dataKeyID) }
            key = found
        } catch {
            return rejected(.keyDestroyed, "\(error)", payload, claimed: header.key)
        }
        let body: [UInt8]
        do {
            body = try SealedBatch.open(payload, header: header, tenant: certificate.tenant, key: key)
        } catch {
            return rejected(code(of: error), "body: \(error)", payload, claimed: header.key)
        }
        if header.flags.contains(.relayed), !certificate.isRelay || !header.kind.isHandedOn {
            return .rejected(
                OpenedMessage.Rejected(
                    code: .malformed, header: header.kind.isSequenced ? header : nil,
                    detail: "\(header.kind.name) handed on"
                        + (certificate.isRelay ? "" : " by an agent that is no relay"), payload: payload))
        }
        do throws(WireError) {
            return try decode(body, header, now)
        } catch {
            let code: RejectionCode = if case .tooLarge = error { .tooLarge } else { .malformed }
            return .rejected(
                OpenedMessage.Rejected(
                    code: code, header: header.kind.isSequenced ? header : nil, detail: "\(header.kind.name): \(error)",
                    payload: payload))
        }
    }

    private func decode(
        _ body: [UInt8], _ header: BatchHeader, _ now: Timestamp
    ) throws(WireError) -> OpenedMessage.Content {
        guard WireLimits.times.contains(header.firstTimestamp.milliseconds),
            WireLimits.times.contains(header.lastTimestamp.milliseconds)
        else { throw .invalid("time") }
        let content: IngestCommit.Content
        switch header.kind {
        case .metrics:
            let metrics = try bodies.metrics(body)
            guard metrics.sampleCount == Int(header.recordCount) else { throw .invalid("record count") }
            // Retention, quarantine and the index' bounds go by the header.
            let (first, last) = (header.firstTimestamp.milliseconds, header.lastTimestamp.milliseconds)
            if let times = metrics.times, times.lowerBound < first || times.upperBound > last {
                throw .invalid("a sample outside the header's times")
            }
            content = .metrics(metrics)
        case .events:
            let events = try bodies.events(body)
            guard events.count == Int(header.recordCount) else { throw .invalid("record count") }
            content = .events(events)
        case .findings:
            let findings = try bodies.findings(body)
            guard findings.count == Int(header.recordCount) else { throw .invalid("record count") }
            // Whose a finding is, is the relay's word; an agent's own has nobody else's name.
            guard findings.allSatisfy({ ($0.source != nil) == header.flags.contains(.relayed) }) else {
                throw .invalid("source")
            }
            content = .findings(findings)
        case .metadata:
            let families = try bodies.metadata(body)
            guard families.count == Int(header.recordCount) else { throw .invalid("record count") }
            content = .metadata(families)
        case .table:
            let (encoded, series) = try bodies.table(body)
            return .table(
                IngestCommit.Table(
                    agent: header.agent, hash: Hash.blake2b256(encoded), encoded: encoded, series: series))
        case .loss:
            let losses = try LossBody(decoding: body).records
            guard losses.count == Int(header.recordCount) else { throw .invalid("record count") }
            return .losses(header, losses)
        case .key: throw .invalid("kind")
        }
        return .block(
            IngestCommit.Block(
                agent: header.agent, header: header, body: body, content: content, receivedAt: now))
    }

    private func key(
        _ certificate: Certificate, _ header: BatchHeader, _ payload: [UInt8], _ now: Timestamp
    ) -> OpenedMessage.Content {
        do throws(SealingError) {
            let record = try KeyBatch.open(
                payload, header: header, tenant: certificate.tenant, identityKey: certificate.identityKey)
            do throws(KeyRing.Refusal) {
                _ = try keys.open(record, tenant: certificate.tenant, agent: certificate.agent)
            } catch {
                return rejected(error == .destroyed ? .keyDestroyed : .notAuthentic, "key record", payload)
            }
        } catch {
            return rejected(code(of: error), "key record: \(error)", payload)
        }
        do {
            try records.store(
                payload, of: certificate.tenant, agent: certificate.agent, id: header.dataKeyID, at: now)
        } catch {
            // The key is open in memory; after a restart it will be asked for again.
            return .key(header.dataKeyID)
        }
        return .key(header.dataKeyID)
    }

    /// From the ring, else from the stored record.
    /// - Returns: nil when the agent has to send the record again.
    private func dataKey(_ certificate: Certificate, _ header: BatchHeader) throws(KeyRing.Refusal) -> DataKey? {
        let (tenant, agent) = (certificate.tenant, certificate.agent)
        if let key = keys.key(tenant: tenant, agent: agent, id: header.dataKeyID) { return key }
        // A record that cannot be read or no longer verifies (renewed identity) is asked for again.
        guard let payload = try? records.load(of: tenant, agent: agent, id: header.dataKeyID),
            let recordHeader = try? BatchHeader(decodingPrefixOf: payload),
            let record = try? KeyBatch.open(
                payload, header: recordHeader, tenant: tenant, identityKey: certificate.identityKey),
            record.id == header.dataKeyID
        else { return nil }
        return try keys.open(record, tenant: tenant, agent: agent)
    }

    private func code(of error: SealingError) -> RejectionCode {
        if case .malformed = error { .malformed } else { .notAuthentic }
    }

    private func rejected(
        _ code: RejectionCode, _ detail: String, _ payload: [UInt8], claimed: BatchKey? = nil
    ) -> OpenedMessage.Content {
        .rejected(OpenedMessage.Rejected(code: code, claimed: claimed, detail: detail, payload: payload))
    }
}
