import Telemetry

/// Why access was not given or a change of access was refused.
package struct AccessError: Error, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// No such tenant, token, agent or enrolment within the caller's scope.
        case notFound = "not-found"
        /// The name is taken.
        case exists
        /// A value breaks its rule; the message names it.
        case invalid
        /// The credential is wrong, expired, used up or revoked.
        case refused
        /// A bound of ``AccessLimits`` is reached.
        case limit
        /// A file or a program that access needs failed.
        case system
    }
    package let code: Code
    package let message: String
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
    package var description: String { "access: \(code.rawValue): \(message)" }
}

/// Bounds of the access store; at each, the call is refused with ``AccessError/Code-swift.enum/limit``.
package enum AccessLimits {
    package static let tenantsMax = 10_000
    package static let tokensPerTenantMax = 10_000
    package static let enrolmentsPerTenantMax = 10_000
    package static let agentsPerTenantMax = 100_000
    package static let groupsPerAgentMax = GroupName.countMax
    /// The last commands of a tenant that are kept with their results; the oldest go.
    package static let commandsPerTenantMax = 1000
    package static let nameBytesMax = 128
    package static let labelBytesMax = 128
    /// Agents that one enrolment token may enrol.
    package static let usesMax: Int64 = 10_000
    /// Lifetime of an enrolment token.
    package static let enrolmentMillisecondsMax: Int64 = 30 * 86_400_000
    /// How long an agent's certificate is valid.
    package static let certificateMilliseconds: Int64 = 90 * 86_400_000
    /// An agent that is there gets a new certificate when its own ends within this time.
    package static let renewalMilliseconds: Int64 = 30 * 86_400_000
    /// A token's last use is written at most this often.
    package static let lastUsedMilliseconds: Int64 = 60_000
}
