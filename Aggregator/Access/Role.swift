package import Telemetry

/// What the bearer of a token may do within its tenant.
package enum Role: String, Sendable, CaseIterable {
    /// Everything: tokens, enrolments, configuration, and all that the others may.
    case admin
    /// Sees the fleet, the ledger, metrics and the live page.
    case `operator`
    /// Hands in data; reads nothing.
    case ingest
    /// Reads metrics and events.
    case analyst
}

/// Who a request comes from, once its token has been checked.
package struct Principal: Hashable, Sendable {
    package let tokenID: String
    package let role: Role
    /// nil: the whole installation; only administrators, to create tenants and to act in any of them.
    package let tenant: TenantID?

    package init(tokenID: String, role: Role, tenant: TenantID?) {
        self.tokenID = tokenID
        self.role = role
        self.tenant = tenant
    }
}
