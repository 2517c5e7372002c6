package import PromQL
package import Telemetry

/// A rule of a rule file.
package struct Rule: Sendable {
    package enum Kind: Sendable {
        /// Its results become the samples of this metric.
        case recording(metric: String)
        /// Parsed and listed; alerts are not evaluated yet.
        case alerting(Alert)
    }
    package struct Alert: Sendable {
        package var name: String
        /// Milliseconds that the condition has to hold.
        package var holds: Int64
        /// Milliseconds that an alert goes on after its condition has ended.
        package var keepsFiring: Int64
        package var annotations: [Label]
    }
    package var kind: Kind
    package var expression: PromQL.Expression
    /// What was parsed.
    package var text: String
    /// Set on each result; an empty value removes a label.
    package var labels: [Label]
    /// In its file, from 1.
    package var line: Int

    package var name: String {
        switch kind {
        case .recording(let metric): metric
        case .alerting(let alert): alert.name
        }
    }
}

/// Rules that are evaluated one after the other at the same time.
package struct RuleGroup: Sendable {
    package var name: String
    package var file: String
    /// Milliseconds.
    package var interval: Int64
    /// Series that one rule may result in; 0: any number.
    package var limit: Int
    package var rules: [Rule]

    /// Names it within a tenant.
    package var key: String { "\(file);\(name)" }
}

/// What is wrong with a rule file, and where.
package struct RuleFileError: Error, Sendable, Hashable, CustomStringConvertible {
    package var file: String
    /// From 1.
    package var line: Int
    package var group: String?
    package var rule: String?
    package var message: String

    package init(file: String, line: Int, group: String? = nil, rule: String? = nil, message: String) {
        self.file = file
        self.line = line
        self.group = group
        self.rule = rule
        self.message = message
    }

    package var description: String {
        var text = "\(file):\(line): "
        if let group { text += "group \"\(group)\", " }
        if let rule { text += "rule \(rule), " }
        return text + message
    }
}
