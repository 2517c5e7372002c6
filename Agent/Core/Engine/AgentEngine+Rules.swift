import Collectors
import LocalRules
import RuntimeSupport
import Telemetry

/// The node's own rules: judged with every sample, connection or not.
extension AgentEngine {
    /// What the settings say now; what does not change goes on.
    func useRules(_ wanted: [String: LocalRule]) {
        let wanted = wanted.values.sorted { $0.name < $1.name }
        guard wanted != rules?.rules ?? [] else { return }
        var closed: [Finding] = []
        if var running = rules {
            closed = running.replace(wanted, at: time.now)
            rules = wanted.isEmpty ? nil : running
        } else {
            rules = NodeRules(wanted, seed: ruleSeed)
        }
        for source in [SampleAccumulator.Source.collectors, .streams, .sources] {
            guard let known = accumulator.known(of: source) else { continue }
            rules?.bind(known.descriptors, of: source, generation: known.generation)
        }
        metrics.clear("stagebox_rule_state")
        reportRules()
        if !closed.isEmpty { tell(closed) }
    }

    /// Findings that an earlier start left open go on under their ids, whatever ended that start; those that nobody looks
    /// after any more are closed with the last that is known of them.
    func adoptFindings(_ left: [Finding]) {
        let left = left.filter { $0.until == nil }
        guard !left.isEmpty else { return }
        // Before the first sample there is nothing to lose.
        if let running = rules { rules = NodeRules(running.rules, adopting: left, seed: ruleSeed) }
        detection?.adopt(left)
        let kept = Set(((rules?.openFindings ?? []) + (detection?.openFindings ?? [])).map(\.id))
        let orphans = left.filter { !kept.contains($0.id) }.map { NodeRules.ended($0, at: $0.peakAt) }
        if !orphans.isEmpty { tell(orphans) }
    }

    /// Another than detection's, so that their identifiers never meet.
    private var ruleSeed: UInt64 { parts.seed ^ 0x9e37_79b9_7f4a_7c15 }

    func judge(_ scrape: Scrape, _ source: SampleAccumulator.Source) {
        guard let findings = rules?.observe(scrape, source, now: time.now), !findings.isEmpty else { return }
        reportRules()
        tell(findings)
    }

    func judge(_ key: SeriesKey, _ sample: Sample) {
        guard let findings = rules?.observe(key, sample, now: time.now), !findings.isEmpty else { return }
        reportRules()
        tell(findings)
    }

    /// When something changes, and with each flush.
    func reportRules() {
        guard let rules else { return }
        for (rule, state) in rules.states { metrics.set("stagebox_rule_state", Double(state.rawValue), "rule", rule) }
        metrics.set("stagebox_rule_series", Double(rules.seriesCount))
        metrics.set("stagebox_rule_unwatched_series", Double(rules.unwatchedCount))
    }
}
