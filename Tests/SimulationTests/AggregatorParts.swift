import Ingest
import Sealing
import Store
import Synchronization
import Telemetry
import WireFormat

/// Certificates in memory.
final class CertificateTable: CertificateSource {
    private let certificates = Mutex<[AgentID: Certificate]>([:])
    func add(_ certificate: Certificate) { certificates.withLock { $0[certificate.agent] = certificate } }
    func certificate(of agent: AgentID, in tenant: TenantID, at time: Timestamp) -> Certificate? {
        certificates.withLock { $0[agent] }.flatMap { $0.tenant == tenant && $0.isValid(at: time) ? $0 : nil }
    }
    func labels(of agent: AgentID) -> AgentLabels {
        AgentLabels([], isRelay: certificates.withLock { $0[agent]?.isRelay ?? false })
    }
}

/// Key records that outlive an aggregator, or are lost with it when a plan says so.
final class KeyRecords: KeyRecordStore {
    private let records = Mutex<[String: [UInt8]]>([:])
    func store(_ payload: [UInt8], of tenant: TenantID, agent: AgentID, id: DataKeyID, at time: Timestamp) throws {
        records.withLock { $0["\(agent)/\(id)"] = payload }
    }
    func load(of tenant: TenantID, agent: AgentID, id: DataKeyID) throws -> [UInt8]? {
        records.withLock { $0["\(agent)/\(id)"] }
    }
    func removeAll() { records.withLock { $0.removeAll() } }
}

/// The release's codecs behind the ingest's protocol. One thread.
final class PlainBodyDecoder: BodyDecoder, @unchecked Sendable {
    // The simulation has one thread.
    private let body: BlockBody
    private let decoder = MetricBlockDecoder()
    init() throws { body = try BlockBody() }

    func metrics(_ bytes: [UInt8]) throws(WireError) -> MetricContent {
        try decoder.check(body.decompress(bytes))
        return MetricContent(decoder)
    }
    func table(_ bytes: [UInt8]) throws(WireError) -> (encoded: [UInt8], series: [SeriesDescriptor]) {
        let encoded = try body.decompress(bytes)
        return (encoded, try SeriesTable.decode(encoded))
    }
    func events(_ bytes: [UInt8]) throws(WireError) -> EventContent {
        try EventContent(block: body.decompress(bytes))
    }
    func findings(_ bytes: [UInt8]) throws(WireError) -> [Finding] {
        try FindingBlock.decode(body.decompress(bytes))
    }
    func metadata(_ bytes: [UInt8]) throws(WireError) -> [MetricMetadata] {
        try MetadataBlock.decode(body.decompress(bytes))
    }
}
