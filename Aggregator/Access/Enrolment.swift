package import Telemetry

/// What an enrolment token gives to the agents that use it.
package struct EnrolmentOffer: Hashable, Sendable {
    package var tenant: TenantID
    /// The name that the agent gets; naming it allows to replace an agent of that name (a reinstalled node).
    package var agent: AgentID?
    package var region: String
    package var site: String
    package var job: String
    /// Whether its agents may hand on the series of others.
    package var isRelay: Bool
    /// The groups that it is put into, later ones over earlier.
    package var groups: [GroupName]
    package var expiresAt: Timestamp
    package var usesMax: Int64
    /// What its agents make pseudonyms with; nil: each a key of its own.
    package var pseudonymKey: PseudonymOffer?

    package init(
        tenant: TenantID, agent: AgentID? = nil, region: String = "", site: String = "", job: String = "",
        isRelay: Bool = false, groups: [GroupName] = [], expiresAt: Timestamp, usesMax: Int64 = 1,
        pseudonymKey: PseudonymOffer? = nil
    ) {
        self.pseudonymKey = pseudonymKey
        self.tenant = tenant
        self.agent = agent
        self.region = region
        self.site = site
        self.job = job
        self.isRelay = isRelay
        self.groups = groups
        self.expiresAt = expiresAt
        self.usesMax = usesMax
    }
}

/// An enrolment token as the store keeps it, without its secret.
package struct EnrolmentRecord: Sendable {
    package var id: ID128
    package var offer: EnrolmentOffer
    package var createdAt: Timestamp
    package var uses: Int64
    package var revokedAt: Timestamp?
    var secretHash: [UInt8]
    /// The version and the sealed bytes of the offer's pseudonym key.
    var pseudonymKey: (version: UInt32, sealed: [UInt8])?
}
