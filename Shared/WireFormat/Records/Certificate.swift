public import Telemetry

/// Says that a public key is an agent. Signed with the certificate key; not X.509.
public struct Certificate: WireRecord, Hashable {
    public static let labelBytesMax = 128

    public var serial: ID128
    public var tenant: TenantID
    public var agent: AgentID
    /// Ed25519: signs births, key records, results.
    public var identityKey: ID256
    /// X25519: what manifests, commands and the pseudonym key are sealed to.
    public var boxKey: ID256
    public var notBefore: Timestamp
    public var notAfter: Timestamp
    /// Labels that the aggregator adds to every series of the agent; empty ones are left out.
    public var region: String
    public var site: String
    public var job: String
    /// Whether the agent may hand on series of others under their own labels.
    public var isRelay: Bool

    public init(
        serial: ID128, tenant: TenantID, agent: AgentID, identityKey: ID256, boxKey: ID256, notBefore: Timestamp,
        notAfter: Timestamp, region: String = "", site: String = "", job: String = "",
        isRelay: Bool = false
    ) {
        self.serial = serial
        self.tenant = tenant
        self.agent = agent
        self.identityKey = identityKey
        self.boxKey = boxKey
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.region = region
        self.site = site
        self.job = job
        self.isRelay = isRelay
    }

    public func isValid(at time: Timestamp) -> Bool { notBefore <= time && time < notAfter }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(serial)
        writer.write(tenant)
        writer.write(agent)
        writer.write(identityKey)
        writer.write(boxKey)
        writer.write(notBefore)
        writer.write(notAfter)
        writer.write(text: region)
        writer.write(text: site)
        writer.write(text: job)
        // Added later: certificates of other agents stay as they were.
        if isRelay { writer.write(true) }
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        serial = try reader.readIdentifier("serial")
        tenant = try reader.readName(TenantID.self, "tenant")
        agent = try reader.readName(AgentID.self, "agent")
        identityKey = try reader.readHash("identity key")
        boxKey = try reader.readHash("box key")
        notBefore = try reader.readTimestamp("not before")
        notAfter = try reader.readTimestamp("not after")
        guard notBefore < notAfter else { throw .invalid("validity") }
        region = try reader.readText("region", max: Self.labelBytesMax)
        site = try reader.readText("site", max: Self.labelBytesMax)
        job = try reader.readText("job", max: Self.labelBytesMax)
        isRelay = reader.remaining == 0 ? false : try reader.readBool("relay")
    }
}
