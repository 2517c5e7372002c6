package import Sources
package import Telemetry

/// What the node does by itself about a finding, as its guard file says and nothing remote can change:
///
///     actions:
///       note: log
///       free: exec /usr/local/sbin/free-space --now
///       free.match: rule=disk-full, severity=critical
///       free.rate: 6
///       page: webhook http://127.0.0.1:9000/findings
///       page.on: opened
///
/// * `NAME`: `log`, `exec PATH [WORDS]` (no shell, no quotes: words are parted by spaces) or `webhook ADDRESS` (loopback,
///   or a host that `webhook-hosts` names).
/// * `NAME.match`: parts with commas between, none for all: `rule=NAME`, `group=NAME`, `severity=LEVEL` (that or worse).
///   Of several rules or groups one must fit.
/// * `NAME.on`: `opened`, `closed` or `opened, closed`, which is the default.
/// * `NAME.rate`: at most so many an hour, 1 to ``rateMax``, ``rateStandard`` by default; beyond it findings are counted.
/// * `NAME.timeout`: 100 ms to 5 min, 10 s by default; a script is killed then, an address given up.
package struct LocalAction: Sendable, Equatable {
    package static let actionsMax = 16
    package static let nameBytesMax = 32
    package static let wordsMax = 32
    package static let rateMax = 360
    package static let rateStandard = 60
    package static let timeoutMilliseconds: ClosedRange<Int64> = 100...300_000

    package enum Kind: Sendable, Equatable {
        case log
        /// An absolute path and its arguments.
        case exec(path: String, arguments: [String])
        case webhook(HTTPTarget)
    }

    package var name: String
    package var kind: Kind
    package var match = FindingMatch()
    package var ratePerHour = LocalAction.rateStandard
    package var timeoutMilliseconds: Int64 = 10_000

    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// Which findings an action is for.
package struct FindingMatch: Sendable, Equatable {
    /// Empty: any.
    package var rules: Set<String> = []
    package var groups: Set<String> = []
    package var severityMin = Finding.Severity.info
    package var takesOpened = true
    package var takesClosed = true

    package init() {}

    package func accepts(_ finding: Finding) -> Bool {
        (finding.until == nil ? takesOpened : takesClosed) && finding.severity >= severityMin
            && (rules.isEmpty || finding.rule.map { rules.contains($0.name) } ?? false)
            && (groups.isEmpty || groups.contains(finding.group))
    }
}
