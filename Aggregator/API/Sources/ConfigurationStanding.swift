package import Telemetry
package import WireFormat

/// Where an agent stands with one scope of its configuration.
package struct ConfigurationStanding: Hashable, Sendable {
    /// nil: the agent's own manifest.
    package var group: GroupName?
    /// The newest version that was pushed.
    package var desiredVersion: UInt64
    package var attemptedVersion: UInt64
    package var runningVersion: UInt64
    /// Of the attempted version; nil before the first report.
    package var step: ManifestReport.Step?
    /// Why it went no further.
    package var error: String
    package var reportedAt: Timestamp?

    package init(group: GroupName?, desiredVersion: UInt64, _ report: ManifestReport?) {
        self.group = group
        self.desiredVersion = desiredVersion
        attemptedVersion = report?.attemptedVersion ?? 0
        runningVersion = report?.runningVersion ?? 0
        step = report?.step
        error = report?.error ?? ""
        reportedAt = report?.at
    }

    package var json: JSON {
        .object([
            ("scope", .string(group == nil ? "agent" : "group")), ("group", .text(group?.rawValue)),
            ("desired", .count(desiredVersion)), ("attempted", .count(attemptedVersion)),
            ("running", .count(runningVersion)), ("step", .text(step.map { "\($0)" })), ("error", .string(error)),
            ("reported", .time(reportedAt)),
        ])
    }
}
