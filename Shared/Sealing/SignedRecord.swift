public import Telemetry
public import WireFormat

/// Records under an Ed25519 signature that also covers what they are and whom they concern.
///
/// Signed bytes: the kind's context string, tenant, agent (each with a length byte before it; both empty
/// in records for the whole fleet), the length (u32 LE) and bytes of associated data, the body. So a record
/// cannot be moved to another kind, tenant, agent or header.
public enum SignedRecord {
    /// - Returns: an encoded ``SignedEnvelope``.
    public static func sign(
        _ kind: RecordKind, tenant: TenantID? = nil, agent: AgentID? = nil, associated: [UInt8] = [],
        body: [UInt8], with key: SigningKey
    ) -> [UInt8] {
        precondition(body.count <= WireLimits.recordBytesMax, "record of \(body.count) bytes")
        let message = message(kind, tenant, agent, associated, body)
        return SignedEnvelope(kind: kind, body: body, signature: key.signature(over: message)).encoded()
    }

    public static func sign<Record: WireRecord>(
        _ kind: RecordKind, tenant: TenantID? = nil, agent: AgentID? = nil, associated: [UInt8] = [],
        record: Record, with key: SigningKey
    ) -> [UInt8] {
        sign(kind, tenant: tenant, agent: agent, associated: associated, body: record.encoded(), with: key)
    }

    /// - Returns: the body.
    /// - Throws: ``SealingError`` when `bytes` is no such record or none of `keys` signed it for this context.
    public static func verify(
        _ bytes: [UInt8], _ kind: RecordKind, tenant: TenantID? = nil, agent: AgentID? = nil,
        associated: [UInt8] = [], keys: [ID256]
    ) throws(SealingError) -> [UInt8] {
        let envelope: SignedEnvelope
        do { envelope = try SignedEnvelope(decoding: bytes) } catch { throw .malformed(error) }
        guard envelope.kind == kind else { throw .notAuthentic }
        let message = message(kind, tenant, agent, associated, envelope.body)
        guard keys.contains(where: { VerifyingKey($0).verifies(envelope.signature, over: message) }) else {
            throw .notAuthentic
        }
        return envelope.body
    }

    public static func open<Record: WireRecord>(
        _ bytes: [UInt8], as type: Record.Type, _ kind: RecordKind, tenant: TenantID? = nil,
        agent: AgentID? = nil, associated: [UInt8] = [], keys: [ID256]
    ) throws(SealingError) -> Record {
        let body = try verify(bytes, kind, tenant: tenant, agent: agent, associated: associated, keys: keys)
        do { return try Record(decoding: body) } catch { throw .malformed(error) }
    }

    private static func message(
        _ kind: RecordKind, _ tenant: TenantID?, _ agent: AgentID?, _ associated: [UInt8], _ body: [UInt8]
    ) -> [UInt8] {
        var writer = ByteWriter(reserving: 160 + associated.count + body.count)
        for text in [kind.context, tenant?.rawValue ?? "", agent?.rawValue ?? ""] {
            writer.write(UInt8(text.utf8.count))
            writer.write(text.utf8)
        }
        writer.write(littleEndian: UInt32(associated.count))
        writer.write(associated)
        writer.write(body)
        return writer.bytes
    }
}

extension RoleList {
    /// Verifies a root-signed role list against the pinned hash of the root key.
    /// - Throws: ``SealingError/notAuthentic`` when the root it names is not the pinned one or did not sign it.
    public static func verified(_ bytes: [UInt8], rootHash: ID256) throws(SealingError) -> RoleList {
        let list: RoleList
        do { list = try RoleList(decoding: SignedEnvelope(decoding: bytes).body) } catch { throw .malformed(error) }
        guard Hash.blake2b256(list.root.bytes) == rootHash else { throw .notAuthentic }
        return try SignedRecord.open(bytes, as: RoleList.self, .roleList, keys: [list.root])
    }

    public func signed(with root: SigningKey) -> [UInt8] { SignedRecord.sign(.roleList, record: self, with: root) }
}
