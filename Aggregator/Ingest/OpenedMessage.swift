package import Telemetry
package import WireFormat

/// What an opener makes of one PUBLISH: verified, decoded, not yet deduplicated.
package struct OpenedMessage: Sendable {
    package var tenant: TenantID
    package var agent: AgentID
    package var receivedAt: Timestamp
    /// The payload's size, for bounds.
    package var sizeBytes: Int
    package var content: Content

    package enum Content: Sendable {
        /// Metrics, events or findings.
        case block(IngestCommit.Block)
        case table(IngestCommit.Table)
        case losses(BatchHeader, [LossRecord])
        /// A data key that is open now and whose record is stored.
        case key(DataKeyID)
        /// A batch under a data key that is not here; it was forgotten. Only its header is known, unauthenticated.
        case needsKey(DataKeyID)
        case birth(Birth)
        /// Unsigned: a hint.
        case state(ConnectionState)
        /// How far the agent came with a manifest; verified.
        case report(ManifestReport)
        /// What became of a command; verified.
        case commandResult(CommandResult)
        case rejected(Rejected)
    }

    /// A refused payload.
    package struct Rejected: Sendable {
        package var code: RejectionCode
        /// The header as authenticated by the seal: the rejection is final and settles the sequence. nil when
        /// nothing is proven: then nothing is settled, for anybody on the way could have made the bytes.
        package var header: BatchHeader?
        /// The sequence that the bytes claim; the agent may want to send it again.
        package var claimed: BatchKey?
        /// What is wrong, for people; no content, no secret.
        package var detail: String
        package var payload: [UInt8]
        package init(
            code: RejectionCode, header: BatchHeader? = nil, claimed: BatchKey? = nil, detail: String, payload: [UInt8]
        ) {
            self.code = code
            self.header = header
            self.claimed = claimed
            self.detail = detail
            self.payload = payload
        }
    }

    package init(tenant: TenantID, agent: AgentID, receivedAt: Timestamp, sizeBytes: Int, content: Content) {
        self.tenant = tenant
        self.agent = agent
        self.receivedAt = receivedAt
        self.sizeBytes = sizeBytes
        self.content = content
    }
}

/// Who the agents are. Called by every opener for every message: answer from memory. Thread-safe.
package protocol CertificateSource: Sendable {
    /// - Returns: the certificate in force; nil when the agent is unknown, expired or revoked.
    func certificate(of agent: AgentID, in tenant: TenantID, at time: Timestamp) -> Certificate?
    /// - Returns: the newest certificate, ended or not; nil when the agent is unknown or revoked.
    func endedCertificate(of agent: AgentID, in tenant: TenantID) -> Certificate?
}

extension CertificateSource {
    package func endedCertificate(of agent: AgentID, in tenant: TenantID) -> Certificate? { nil }
}
