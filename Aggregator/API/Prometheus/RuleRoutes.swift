import HTTPTypes
import Hummingbird
import PromQL
import Rules
import Telemetry

/// Rules and alerts in Prometheus' form.
func ruleRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (access, pool, rules) = (dependencies.access, dependencies.pool, dependencies.rules)
    return [
        Route(
            .get, "/api/v1/rules", .metrics,
            "recording and alerting rules; type, rule_name[], rule_group[], file[], group_limit, group_next_token"
        ) { request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                let filter = try RuleFilter(request.query)
                return ruleAnswer(rules(tenant), filter)
            }
        },
        Route(.get, "/api/v1/alerts", .metrics, "alerts that are pending or firing") { request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                let hasAlerts = rules(tenant).groups.contains { $0.group.rules.contains { !$0.isRecording } }
                var members: [(String, JSON)] = [
                    ("status", .string("success")), ("data", .object([("alerts", .array([]))])),
                ]
                if hasAlerts { members.append(("warnings", .array([.string(alertingNote)]))) }
                return .json(.object(members))
            }
        },
    ]
        + [HTTPRequest.Method.post, .put].map { method in
            Route(method, "/-/reload", .installation, "rule files are read again") { _ in
                dependencies.reloadRules()
                return Response(status: .ok)
            }
        }
}

private let alertingNote = "alerting rules are listed but not evaluated by this version"

/// Which rules are asked for.
private struct RuleFilter {
    let showsRecording: Bool
    let showsAlerting: Bool
    private let names: Set<String>
    private let groups: Set<String>
    private let files: Set<String>
    let groupLimit: Int
    let nextToken: String?

    init(_ query: Query) throws {
        let type = query["type"].map { $0.lowercased() } ?? ""
        guard ["", "alert", "record"].contains(type) else {
            throw PrometheusError(.badData, "invalid parameter \"type\": not supported value \"\(type.prefix(64))\"")
        }
        showsRecording = type != "alert"
        showsAlerting = type != "record"
        names = Set(query.all("rule_name[]"))
        groups = Set(query.all("rule_group[]"))
        files = Set(query.all("file[]"))
        nextToken = query["group_next_token"].flatMap { $0.isEmpty ? nil : $0 }
        groupLimit = query["group_limit"].flatMap { Int($0) } ?? 0
        guard groupLimit >= 0, query["group_limit"] == nil || groupLimit > 0 else {
            throw PrometheusError(.badData, "invalid parameter \"group_limit\": a whole number above 0")
        }
    }

    func shows(_ group: RuleGroup) -> Bool {
        (groups.isEmpty || groups.contains(group.name)) && (files.isEmpty || files.contains(group.file))
    }
    func shows(_ rule: Rule) -> Bool {
        (rule.isRecording ? showsRecording : showsAlerting) && (names.isEmpty || names.contains(rule.name))
    }
}

private func ruleAnswer(_ standing: RuleStanding, _ filter: RuleFilter) -> Response {
    var groups: [JSON] = []
    var hasAlerts = false
    var next: String?
    var isSkipping = filter.nextToken != nil
    for group in standing.groups where filter.shows(group.group) {
        if isSkipping {
            guard group.group.key == filter.nextToken else { continue }
            isSkipping = false
        }
        if filter.groupLimit > 0, groups.count == filter.groupLimit {
            next = group.group.key
            break
        }
        let shown = zip(group.group.rules, group.states).filter { filter.shows($0.0) }
        // A group none of whose rules is asked for is left out, unless all were asked for.
        if shown.isEmpty, !group.group.rules.isEmpty { continue }
        hasAlerts = hasAlerts || shown.contains { !$0.0.isRecording }
        groups.append(json(group, shown.map { json($0, $1) }))
    }
    var data: [(String, JSON)] = [("groups", .array(groups))]
    if let next { data.append(("groupNextToken", .string(next))) }
    var warnings = standing.problems.map { JSON.string("\($0); the file's former rules go on") }
    if hasAlerts { warnings.append(.string(alertingNote)) }
    var members: [(String, JSON)] = [("status", .string("success")), ("data", .object(data))]
    if !warnings.isEmpty { members.append(("warnings", .array(warnings))) }
    return .json(.object(members))
}

private func json(_ group: RuleStanding.Group, _ rules: [JSON]) -> JSON {
    .object([
        ("name", .string(group.group.name)), ("file", .string(group.group.file)), ("rules", .array(rules)),
        ("interval", .number(Double(group.group.interval) / 1000)), ("limit", .integer(Int64(group.group.limit))),
        ("evaluationTime", .number(group.seconds)), ("lastEvaluation", time(group.lastEvaluation)),
        ("missedIterations", .integer(Int64(group.missedCount))),
    ])
}

private func json(_ rule: Rule, _ state: RuleState) -> JSON {
    var members: [(String, JSON)] = []
    var health = state.lastEvaluation == nil ? "unknown" : state.error == nil ? "ok" : "err"
    var type = "recording"
    var error = state.error
    if case .alerting(let alert) = rule.kind {
        type = "alerting"
        health = "unknown"
        error = alertingNote
        members = [
            ("state", .string("unknown")), ("name", .string(alert.name)), ("query", .string(rule.text)),
            ("duration", .number(Double(alert.holds) / 1000)),
            ("keepFiringFor", .number(Double(alert.keepsFiring) / 1000)), ("labels", labels(rule.labels)),
            ("annotations", labels(alert.annotations)), ("alerts", .array([])),
        ]
    } else {
        members = [("name", .string(rule.name)), ("query", .string(rule.text))]
        if !rule.labels.isEmpty { members.append(("labels", labels(rule.labels))) }
    }
    members.append(("health", .string(health)))
    if let error { members.append(("lastError", .string(error))) }
    members += [
        ("evaluationTime", .number(state.seconds)), ("lastEvaluation", time(state.lastEvaluation)),
        ("type", .string(type)),
    ]
    return .object(members)
}

private func labels(_ labels: [Label]) -> JSON { .object(labels.map { ($0.name, .string($0.value)) }) }

/// Never is Go's zero time.
private func time(_ time: Timestamp?) -> JSON {
    .string(time.map { InternetTime.format($0) } ?? "0001-01-01T00:00:00Z")
}
