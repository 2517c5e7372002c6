package import Sealing
package import Telemetry
package import WireFormat

/// Who this agent is and whom it trusts: made at enrolment, kept sealed on disk.
package struct AgentIdentity: WireRecord {
    package var tenant: TenantID
    package var agent: AgentID
    package var signingSeed: [UInt8]
    package var boxSecret: [UInt8]
    package var rootHash: ID256
    /// Signed records, as received.
    package var certificate: [UInt8]
    package var roleList: [UInt8]
    package var keyBundle: [UInt8]
    package var brokerHost: String
    package var brokerPort: UInt16
    package var isBrokerTLS: Bool
    package var certificateAuthority: String
    package var password: String
    package var pseudonymKeyVersion: UInt32
    package var pseudonymKey: [UInt8]

    package static let purpose = "identity"

    package func encodeFields(into writer: inout ByteWriter) {
        writer.write(text: tenant.rawValue)
        writer.write(text: agent.rawValue)
        writer.write(prefixed: signingSeed)
        writer.write(prefixed: boxSecret)
        writer.write(rootHash.bytes)
        writer.write(prefixed: certificate)
        writer.write(prefixed: roleList)
        writer.write(prefixed: keyBundle)
        writer.write(text: brokerHost)
        writer.write(littleEndian: brokerPort)
        writer.write(isBrokerTLS ? 1 : 0 as UInt8)
        writer.write(text: certificateAuthority)
        writer.write(text: password)
        writer.write(littleEndian: pseudonymKeyVersion)
        writer.write(prefixed: pseudonymKey)
    }

    package init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        tenant = try reader.readName(TenantID.self, "tenant")
        agent = try reader.readName(AgentID.self, "agent")
        signingSeed = [UInt8](try reader.readPrefixed("signing seed", max: 64))
        boxSecret = [UInt8](try reader.readPrefixed("box secret", max: 64))
        rootHash = try reader.readHash("root hash")
        certificate = [UInt8](try reader.readPrefixed("certificate", max: WireLimits.recordBytesMax))
        roleList = [UInt8](try reader.readPrefixed("role list", max: WireLimits.recordBytesMax))
        keyBundle = [UInt8](try reader.readPrefixed("key bundle", max: 2 * WireLimits.recordBytesMax))
        brokerHost = try reader.readText("broker host", max: 255)
        brokerPort = try reader.read(littleEndian: UInt16.self, "broker port")
        isBrokerTLS = try reader.readByte("broker TLS") == 1
        certificateAuthority = try reader.readText("certificate authority", max: 32 * 1024)
        password = try reader.readText("password", max: 256)
        pseudonymKeyVersion = try reader.read(littleEndian: UInt32.self, "pseudonym key version")
        pseudonymKey = [UInt8](try reader.readPrefixed("pseudonym key", max: 64))
    }

    /// Checks an enrolment answer against the pinned root hash and makes the identity of it.
    /// - Throws: ``SealingError`` when anything is not signed as it must be: the identity is not kept then.
    ///
    /// - Parameter pseudonymSecret: of the token; what it opens is the tenant's pseudonym key. Without it the node's
    ///   users get pseudonyms of its own.
    package init(
        _ response: EnrolmentResponse, signingKey: SigningKey, boxKey: BoxKeyPair, rootHash: ID256,
        pseudonymSecret: [UInt8]? = nil
    ) throws(SealingError) {
        let roles = try RoleList.verified(response.roleList, rootHash: rootHash)
        let certificate = try SignedRecord.open(
            response.certificate, as: Certificate.self, .certificate, tenant: response.tenant, agent: response.agent,
            keys: roles[.certificate])
        guard certificate.identityKey == signingKey.publicKey.id, certificate.boxKey == boxKey.publicKey else {
            throw .notAuthentic
        }
        _ = try SignedRecord.open(response.keyBundle, as: KeyBundle.self, .keyBundle, keys: roles[.bundle])
        tenant = response.tenant
        agent = response.agent
        signingSeed = signingKey.seed
        boxSecret = boxKey.secretBytes
        self.rootHash = rootHash
        self.certificate = response.certificate
        roleList = response.roleList
        keyBundle = response.keyBundle
        brokerHost = response.brokerHost
        brokerPort = response.brokerPort
        isBrokerTLS = response.isBrokerTLS
        certificateAuthority = response.certificateAuthority
        password = response.password
        if let pseudonymSecret {
            // Who opens it has it from the token's maker: the aggregator does not know what to seal it to.
            pseudonymKey = try BoxKeyPair(secretBytes: pseudonymSecret).open(response.sealedPseudonymKey)
            guard pseudonymKey.count == PseudonymKey.bytes, response.pseudonymKeyVersion > 0 else {
                throw .notAuthentic
            }
            pseudonymKeyVersion = response.pseudonymKeyVersion
        } else {
            pseudonymKey = PseudonymKey(randomVersion: Self.ownPseudonyms).secretBytes
            pseudonymKeyVersion = Self.ownPseudonyms
        }
    }

    /// The version of a key that the node made itself.
    package static let ownPseudonyms: UInt32 = 0

    /// Gives an identity that came without a pseudonym key (of an earlier release) one of the node's own.
    /// - Returns: whether it is to be kept: the same user has to get the same pseudonym after the next start.
    package mutating func fillInPseudonymKey() -> Bool {
        guard pseudonymKey.isEmpty else { return false }
        pseudonymKey = PseudonymKey(randomVersion: Self.ownPseudonyms).secretBytes
        pseudonymKeyVersion = Self.ownPseudonyms
        return true
    }
}
