public import Telemetry

/// Asks for a certificate. Travels as a signed record made with the new identity key over empty tenant and
/// agent, which proves that the sender holds the key. The same key may repeat it until its first birth.
public struct EnrolmentRequest: WireRecord, Hashable {
    public var tokenID: ID128
    public var secret: [UInt8]
    public var identityKey: ID256
    public var boxKey: ID256
    /// The name wanted; nil leaves it to the token or the aggregator.
    public var agent: AgentID?
    /// Informative.
    public var hostName: String
    public var agentVersion: String

    public init(
        tokenID: ID128, secret: [UInt8], identityKey: ID256, boxKey: ID256, agent: AgentID? = nil,
        hostName: String = "", agentVersion: String = ""
    ) {
        self.tokenID = tokenID
        self.secret = secret
        self.identityKey = identityKey
        self.boxKey = boxKey
        self.agent = agent
        self.hostName = hostName
        self.agentVersion = agentVersion
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(tokenID)
        writer.write(prefixed: secret)
        writer.write(identityKey)
        writer.write(boxKey)
        writer.write(text: agent?.rawValue ?? "")
        writer.write(text: hostName)
        writer.write(text: agentVersion)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        tokenID = try reader.readIdentifier("token id")
        secret = try reader.readArray("secret", max: EnrolmentToken.secretBytesMax)
        identityKey = try reader.readHash("identity key")
        boxKey = try reader.readHash("box key")
        let name = try reader.readText("agent", max: NameGrammar.lengthMax)
        agent = AgentID(rawValue: name)
        guard name.isEmpty || agent != nil else { throw .invalid("agent") }
        hostName = try reader.readText("host name", max: 255)
        agentVersion = try reader.readText("agent version", max: Birth.versionBytesMax)
    }
}

/// Everything that an agent needs to begin. Travels inside the TLS answer to the request.
public struct EnrolmentResponse: WireRecord, Hashable {
    public var tenant: TenantID
    public var agent: AgentID
    /// Signed records.
    public var certificate: [UInt8]
    public var roleList: [UInt8]
    public var keyBundle: [UInt8]
    public var brokerHost: String
    public var brokerPort: UInt16
    public var isBrokerTLS: Bool
    /// The fleet's CA, PEM; empty without TLS.
    public var certificateAuthority: String
    /// The agent's broker password. Never log it.
    public var password: String
    public var pseudonymKeyVersion: UInt32
    /// The tenant's pseudonym key, 32 bytes, as the administrator's tool sealed it to the key whose secret half is in the
    /// token alone; empty when the token came with none.
    public var sealedPseudonymKey: [UInt8]

    public init(
        tenant: TenantID, agent: AgentID, certificate: [UInt8], roleList: [UInt8], keyBundle: [UInt8],
        brokerHost: String, brokerPort: UInt16, isBrokerTLS: Bool, certificateAuthority: String, password: String,
        pseudonymKeyVersion: UInt32 = 0, sealedPseudonymKey: [UInt8] = []
    ) {
        self.tenant = tenant
        self.agent = agent
        self.certificate = certificate
        self.roleList = roleList
        self.keyBundle = keyBundle
        self.brokerHost = brokerHost
        self.brokerPort = brokerPort
        self.isBrokerTLS = isBrokerTLS
        self.certificateAuthority = certificateAuthority
        self.password = password
        self.pseudonymKeyVersion = pseudonymKeyVersion
        self.sealedPseudonymKey = sealedPseudonymKey
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(tenant)
        writer.write(agent)
        writer.write(prefixed: certificate)
        writer.write(prefixed: roleList)
        writer.write(prefixed: keyBundle)
        writer.write(text: brokerHost)
        writer.write(littleEndian: brokerPort)
        writer.write(isBrokerTLS)
        writer.write(text: certificateAuthority)
        writer.write(text: password)
        writer.write(littleEndian: pseudonymKeyVersion)
        writer.write(prefixed: sealedPseudonymKey)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        tenant = try reader.readName(TenantID.self, "tenant")
        agent = try reader.readName(AgentID.self, "agent")
        certificate = try reader.readArray("certificate", max: 4096)
        roleList = try reader.readArray("role list", max: 4096)
        keyBundle = try reader.readArray("key bundle", max: WireLimits.recordBytesMax + SignedEnvelope.overheadBytes)
        brokerHost = try reader.readText("broker host", max: EnrolmentToken.hostBytesMax)
        brokerPort = try reader.read(littleEndian: UInt16.self, "broker port")
        isBrokerTLS = try reader.readBool("broker TLS")
        certificateAuthority = try reader.readText("certificate authority", max: 32 * 1024)
        password = try reader.readText("password", max: 256)
        pseudonymKeyVersion = try reader.read(littleEndian: UInt32.self, "pseudonym key version")
        sealedPseudonymKey = try reader.readArray("sealed pseudonym key", max: 256)
    }
}
