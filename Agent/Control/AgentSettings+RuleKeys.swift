import LocalRules

/// The section of local rules. A manifest may set them, as far as the guard file lets it.
extension AgentSettings {
    package static let ruleSection = "rules."
    package static let ruleDocumentation =
        "rules.NAME (rule, none; up to \(LocalRule.rulesMax)): what the node judges by itself, like "
        + "rate(node_network_receive_errs_total[60s]) > 10 for 2m until < 1 severity warning; off takes it away"

    /// - Returns: what is wrong; nil if it was taken.
    mutating func setRule(_ key: String, _ value: String) -> String? {
        let name = String(key.dropFirst(Self.ruleSection.count))
        guard LocalRule.isName(name) else { return "has a name other than a-z, 0-9, - and _, or one over 64 bytes" }
        if value == "off" {
            rules[name] = nil
            return nil
        }
        guard value.utf8.count <= LocalRule.textBytesMax else {
            return "is longer than \(LocalRule.textBytesMax) bytes"
        }
        guard rules[name] != nil || rules.count < LocalRule.rulesMax else {
            return "is one rule more than \(LocalRule.rulesMax)"
        }
        do throws(RuleError) {
            rules[name] = try LocalRule(name: name, value)
            return nil
        } catch {
            return "is no rule: \(error)"
        }
    }
}
