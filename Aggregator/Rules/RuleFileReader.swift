package import PromQL
import Telemetry
import YAML

/// Reads Prometheus' rule files (`groups: - name: … rules: …`), as strictly as `promtool check rules`.
///
/// All errors of a file are found at once; a file with any gives no rules. Pure.
package struct RuleFileReader {
    /// Of rules that name none: Prometheus' default for `evaluation_interval`, milliseconds.
    package static let intervalDefault: Int64 = 60_000
    /// Of one file.
    package static let rulesMax = 10_000
    package static let errorsMax = 100

    private let file: String
    private let language: ParserOptions
    private var errors: [RuleFileError] = []
    private var ruleCount = 0

    /// - Parameter file: how messages and groups name it.
    /// - Returns: the groups, or what is wrong.
    package static func read(
        _ bytes: [UInt8], file: String, language: ParserOptions = .stable
    ) -> Result<[RuleGroup], RuleFileErrors> {
        var reader = RuleFileReader(file: file, language: language)
        let groups = reader.groups(bytes)
        return reader.errors.isEmpty ? .success(groups) : .failure(RuleFileErrors(errors: reader.errors))
    }

    private init(file: String, language: ParserOptions) {
        self.file = file
        self.language = language
    }

    private mutating func fail(_ line: Int, _ message: String, group: String? = nil, rule: String? = nil) {
        guard errors.count < Self.errorsMax else { return }
        errors.append(RuleFileError(file: file, line: line, group: group, rule: rule, message: message))
    }

    private mutating func groups(_ bytes: [UInt8]) -> [RuleGroup] {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            fail(1, "not UTF-8")
            return []
        }
        let root: YAMLNode?
        do { root = try YAMLReader.read(bytes) } catch {
            fail(error.line, "no YAML: \(error.message)")
            return []
        }
        guard let root, !root.isNull else { return [] }
        guard let fields = fields(root, ["groups"]), let list = fields["groups"] else { return [] }
        var names = Set<String>()
        return items(list, "groups").compactMap { node in
            guard let group = group(node) else { return nil }
            guard names.insert(group.name).inserted else {
                fail(node.line, "groupname: \"\(group.name)\" is repeated in the same file", group: group.name)
                return nil
            }
            return group
        }
    }

    /// The members of a mapping by name; unknown ones are errors. Null is a mapping without members.
    private mutating func fields(
        _ node: YAMLNode, _ known: [String], group: String? = nil, rule: String? = nil
    ) -> [String: YAMLNode]? {
        if node.isNull { return [:] }
        guard case .mapping(let entries) = node.content else {
            fail(
                node.line, "expected a mapping with \(known.joined(separator: ", ")), not \(node.kindName)",
                group: group)
            return nil
        }
        var result: [String: YAMLNode] = [:]
        for (key, value) in entries {
            let name = key.text ?? ""
            guard known.contains(name) else {
                fail(
                    key.line, "unknown field \"\(name.prefix(64))\"; known: \(known.joined(separator: ", "))",
                    group: group, rule: rule)
                continue
            }
            result[name] = value
        }
        return result
    }

    private mutating func items(_ node: YAMLNode, _ what: String, group: String? = nil) -> [YAMLNode] {
        if node.isNull { return [] }
        guard case .sequence(let items) = node.content else {
            fail(node.line, "\(what): expected a list, not \(node.kindName)", group: group)
            return []
        }
        return items
    }

    private mutating func group(_ node: YAMLNode) -> RuleGroup? {
        guard let fields = fields(node, ["name", "interval", "limit", "rules"]) else { return nil }
        let name = text(fields["name"], "name") ?? ""
        guard !name.isEmpty else {
            fail(node.line, "Groupname must not be empty")
            return nil
        }
        var interval = Self.intervalDefault
        if let node = fields["interval"], let milliseconds = duration(node, "interval", group: name) {
            interval = milliseconds > 0 ? milliseconds : Self.intervalDefault
        }
        var limit = 0
        if let node = fields["limit"], !node.isNull {
            if case .scalar(let text, isPlain: true) = node.content, let number = Double(text), abs(number) < 1e15 {
                limit = Int(number)
            } else {
                fail(node.line, "limit: expected a whole number", group: name)
            }
        }
        let nodes = fields["rules"].map { items($0, "rules", group: name) } ?? []
        ruleCount += nodes.count
        guard ruleCount <= Self.rulesMax else {
            fail(node.line, "more than \(Self.rulesMax) rules in one file", group: name)
            return nil
        }
        let rules = nodes.enumerated().compactMap { rule($1, number: $0 + 1, group: name) }
        return RuleGroup(name: name, file: file, interval: interval, limit: max(0, limit), rules: rules)
    }

    private mutating func rule(_ node: YAMLNode, number: Int, group: String) -> Rule? {
        var label = "\(number)"
        let known = ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"]
        guard let fields = fields(node, known, group: group, rule: label) else { return nil }
        let (record, alert) = (fields["record"]?.text ?? "", fields["alert"]?.text ?? "")
        let name = record.isEmpty ? alert : record
        if !name.isEmpty { label += ", \"\(name)\"" }
        let errorsBefore = errors.count
        func line(_ field: String) -> Int { fields[field]?.line ?? node.line }
        if !record.isEmpty, !alert.isEmpty {
            fail(line("alert"), "only one of 'record' and 'alert' must be set", group: group, rule: label)
        } else if name.isEmpty {
            fail(node.line, "one of 'record' or 'alert' must be set", group: group, rule: label)
        }
        let source = fields["expr"]?.text ?? ""
        let expression = parsed(source, line: line("expr"), group: group, rule: label)
        let holds = duration(fields["for"], "for", group: group, rule: label)
        let keeps = duration(fields["keep_firing_for"], "keep_firing_for", group: group, rule: label)
        let labels = readLabels(fields["labels"], "labels", group: group, rule: label)
        let annotations = readLabels(fields["annotations"], "annotations", group: group, rule: label)
        if !record.isEmpty {
            if !annotations.isEmpty {
                fail(line("annotations"), "invalid field 'annotations' in recording rule", group: group, rule: label)
            }
            for (field, value) in [("for", holds), ("keep_firing_for", keeps)] where value ?? 0 != 0 {
                fail(line(field), "invalid field '\(field)' in recording rule", group: group, rule: label)
            }
            if !Self.isMetricName(record) {
                fail(line("record"), "invalid recording rule name: \(record)", group: group, rule: label)
            }
        } else {
            for (field, entries) in [("labels", labels), ("annotations", annotations)] {
                for entry in entries {
                    guard let problem = TemplateCheck.problem(entry.value) else { continue }
                    fail(line(field), "\(field): template \"\(entry.name)\": \(problem)", group: group, rule: label)
                }
            }
        }
        guard errors.count == errorsBefore, let expression else { return nil }
        let kind: Rule.Kind =
            record.isEmpty
            ? .alerting(Rule.Alert(name: alert, holds: holds ?? 0, keepsFiring: keeps ?? 0, annotations: annotations))
            : .recording(metric: record)
        return Rule(kind: kind, expression: expression, text: source, labels: labels, line: node.line)
    }

    private mutating func parsed(_ text: String, line: Int, group: String, rule: String) -> PromQL.Expression? {
        guard !text.isEmpty else {
            fail(line, "field 'expr' must be set in rule", group: group, rule: rule)
            return nil
        }
        do { return try Parser.parse(text, options: language) } catch {
            fail(line, "could not parse expression: \(error)", group: group, rule: rule)
            return nil
        }
    }

    private mutating func text(_ node: YAMLNode?, _ name: String) -> String? {
        guard let node else { return nil }
        guard let text = node.text else {
            fail(node.line, "\(name): expected a text, not \(node.kindName)")
            return nil
        }
        return text
    }

    /// - Returns: milliseconds; nil when there is none.
    private mutating func duration(
        _ node: YAMLNode?, _ name: String, group: String, rule: String? = nil
    ) -> Int64? {
        guard let node, !node.isNull else { return nil }
        guard let text = node.text, let milliseconds = DurationText.milliseconds(text) else {
            fail(node.line, "\(name): not a valid duration, such as 30s or 1h30m", group: group, rule: rule)
            return nil
        }
        return milliseconds
    }

    private mutating func readLabels(_ node: YAMLNode?, _ name: String, group: String, rule: String) -> [Label] {
        guard let node, !node.isNull else { return [] }
        guard case .mapping(let entries) = node.content else {
            fail(node.line, "\(name): expected a mapping, not \(node.kindName)", group: group, rule: rule)
            return []
        }
        return entries.compactMap { key, value in
            let label = key.text ?? ""
            guard let text = value.text else {
                fail(value.line, "\(name): \(label): expected a text, not \(value.kindName)", group: group, rule: rule)
                return nil
            }
            guard Self.isLabelName(label), name != "labels" || label != SeriesKey.nameLabel else {
                fail(key.line, "invalid \(name.dropLast()) name: \(label.prefix(128))", group: group, rule: rule)
                return nil
            }
            return Label(label, text)
        }
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    private static func isMetricName(_ name: String) -> Bool { isName(name, allowsColon: true) }
    /// `[a-zA-Z_][a-zA-Z0-9_]*`.
    private static func isLabelName(_ name: String) -> Bool { isName(name, allowsColon: false) }

    private static func isName(_ name: String, allowsColon: Bool) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f
                || (allowsColon && $0 == 0x3a)
        }
    }
}

/// All that is wrong with a rule file; never empty.
package struct RuleFileErrors: Error, Sendable, CustomStringConvertible {
    package let errors: [RuleFileError]
    package init(errors: [RuleFileError]) { self.errors = errors }
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}
