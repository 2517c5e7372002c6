/// Rule files with whether `promtool check rules` takes them, and for bad ones what our message must hold.
enum RuleFileTable {
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let text: String
        /// Empty for a good file.
        let problem: String
        var isGood: Bool { problem.isEmpty }
        var description: String { name }
    }

    private static func group(_ rules: String, head: String = "") -> String {
        "groups:\n- name: g\n\(head)  rules:\n" + rules
    }

    static let cases: [Case] = good + bad

    static let good: [Case] = [
        Case(name: "empty", text: "", problem: ""),
        Case(name: "comment only", text: "# nothing\n", problem: ""),
        Case(name: "no groups", text: "groups:\n", problem: ""),
        Case(name: "empty list", text: "groups: []\n", problem: ""),
        Case(name: "group without rules", text: "groups:\n- name: g\n", problem: ""),
        Case(name: "recording", text: group("  - record: job:up:sum\n    expr: sum by (job) (up)\n"), problem: ""),
        Case(
            name: "folded block",
            text: group("  - record: a:b\n    expr: >-\n      sum(\n        up\n      )\n    labels:\n      x: 'y'\n"),
            problem: ""),
        Case(
            name: "literal block with a comment inside",
            text: group("  - record: a:b\n    expr: |\n      # why\n      sum(up)  # and how\n"), problem: ""),
        Case(
            name: "double quotes", text: group("  - record: \"a\"\n    expr: \"up{job=\\\"x\\\"} > 1\"\n"), problem: ""),
        Case(name: "single quotes", text: group("  - record: a\n    expr: 'up{job=~''x.*''}'\n"), problem: ""),
        Case(name: "number as expression", text: group("  - record: a\n    expr: 1\n"), problem: ""),
        Case(
            name: "labels of any kind",
            text: group("  - record: a\n    expr: up\n    labels: {a: 1, b: true, c: ~, d: 1.5}\n"), problem: ""),
        Case(
            name: "interval and limit",
            text: group("  - record: a\n    expr: up\n", head: "  interval: 1m30s\n  limit: 5\n"), problem: ""),
        Case(
            name: "anchors and merges",
            text: "groups:\n- name: g\n  rules:\n  - &base\n    record: a\n    expr: up\n    labels: &l {x: y}\n"
                + "  - record: b\n    expr: up\n    labels:\n      <<: *l\n      z: w\n  - <<: *base\n    record: c\n",
            problem: ""),
        Case(
            name: "alert",
            text: group(
                "  - alert: Down\n    expr: up == 0\n    for: 5m\n    keep_firing_for: 1m\n    labels: {severity: page}\n"
                    + "    annotations:\n      summary: '{{ $labels.job }} is down: {{ $value | humanize }}'\n"),
            problem: ""),
        Case(
            name: "alert with blocks in its template",
            text: group(
                "  - alert: A\n    expr: up\n    annotations:\n      d: '{{ with query \"up\" }}{{ . | first | value }}{{ else "
                    + "}}none{{ end }}{{ range $i, $x := query \"up\" }}{{ $i }}{{ end }}'\n"), problem: ""),
        Case(name: "for 0 in a recording rule", text: group("  - record: a\n    expr: up\n    for: 0s\n"), problem: ""),
        Case(
            name: "the same rule twice", text: group("  - record: a\n    expr: up\n  - record: a\n    expr: up\n"),
            problem: ""),
        Case(
            name: "JSON", text: "{\"groups\":[{\"name\":\"g\",\"rules\":[{\"record\":\"a\",\"expr\":\"up\"}]}]}",
            problem: ""),
        Case(name: "CRLF", text: "groups:\r\n- name: g\r\n  rules:\r\n  - record: a\r\n    expr: up\r\n", problem: ""),
        Case(name: "a second document", text: "groups: []\n---\nother: 1\n", problem: ""),
    ]

    static let bad: [Case] = [
        Case(name: "no YAML", text: "groups:\n- name: g\n  rules: [\n", problem: "no YAML"),
        Case(name: "tab indentation", text: "groups:\n\t- name: g\n", problem: "2: no YAML"),
        Case(name: "unknown field", text: "group: []\n", problem: "unknown field \"group\""),
        Case(name: "a list", text: "- name: g\n", problem: "expected a mapping"),
        Case(name: "a text", text: "hello\n", problem: "expected a mapping"),
        Case(name: "groups is a text", text: "groups: hello\n", problem: "groups: expected a list"),
        Case(name: "group without name", text: "groups:\n- rules: []\n", problem: "2: Groupname must not be empty"),
        Case(
            name: "group twice", text: "groups:\n- name: g\n- name: g\n",
            problem: "3: group \"g\", groupname: \"g\" is repeated in the same file"),
        Case(
            name: "unknown field of a group", text: group("", head: "  every: 1m\n"), problem: "unknown field \"every\""
        ),
        Case(
            name: "bad interval", text: group("", head: "  interval: 1 minute\n"),
            problem: "interval: not a valid duration"),
        Case(name: "interval without unit", text: group("", head: "  interval: 30\n"), problem: "interval"),
        Case(name: "bad limit", text: group("", head: "  limit: many\n"), problem: "limit"),
        Case(
            name: "neither record nor alert", text: group("  - expr: up\n"),
            problem: "one of 'record' or 'alert' must be set"),
        Case(
            name: "record and alert", text: group("  - record: a\n    alert: b\n    expr: up\n"),
            problem: "only one of 'record' and 'alert' must be set"),
        Case(name: "no expression", text: group("  - record: a\n"), problem: "field 'expr' must be set"),
        Case(
            name: "bad expression", text: group("  - record: good\n    expr: up\n  - record: a\n    expr: sum(\n"),
            problem: "7: group \"g\", rule 2, \"a\", could not parse expression: 1:5: parse error"),
        Case(
            name: "unknown function", text: group("  - record: a\n    expr: summ(up)\n"),
            problem: "could not parse expression"),
        Case(
            name: "bad name", text: group("  - record: a-b\n    expr: up\n"),
            problem: "invalid recording rule name: a-b"),
        Case(
            name: "name with a digit first", text: group("  - record: 1a\n    expr: up\n"),
            problem: "invalid recording rule name"),
        Case(
            name: "annotations of a recording rule",
            text: group("  - record: a\n    expr: up\n    annotations: {x: y}\n"),
            problem: "invalid field 'annotations' in recording rule"),
        Case(
            name: "for in a recording rule", text: group("  - record: a\n    expr: up\n    for: 1m\n"),
            problem: "invalid field 'for'"),
        Case(
            name: "keep_firing_for in a recording rule",
            text: group("  - record: a\n    expr: up\n    keep_firing_for: 1m\n"),
            problem: "invalid field 'keep_firing_for'"),
        Case(
            name: "bad label", text: group("  - record: a\n    expr: up\n    labels: {a-b: c}\n"),
            problem: "invalid label name: a-b"),
        Case(
            name: "name as label", text: group("  - record: a\n    expr: up\n    labels: {__name__: c}\n"),
            problem: "invalid label name"),
        Case(
            name: "label is a list", text: group("  - record: a\n    expr: up\n    labels: {a: [b]}\n"),
            problem: "expected a text"),
        Case(
            name: "labels is a list", text: group("  - record: a\n    expr: up\n    labels: [a]\n"),
            problem: "labels: expected a mapping"),
        Case(
            name: "key twice", text: group("  - record: a\n    record: b\n    expr: up\n"), problem: "already defined"),
        Case(
            name: "unknown field of a rule", text: group("  - record: a\n    expr: up\n    every: 1m\n"),
            problem: "unknown field \"every\""),
        Case(
            name: "bad for", text: group("  - alert: a\n    expr: up\n    for: soon\n"),
            problem: "for: not a valid duration"),
        Case(
            name: "bad annotation", text: group("  - alert: a\n    expr: up\n    annotations: {a-b: c}\n"),
            problem: "invalid annotation name: a-b"),
        Case(
            name: "open action",
            text: group("  - alert: a\n    expr: up\n    annotations: {s: 'x {{ $value '}\n"), problem: "template \"s\""
        ),
        Case(
            name: "unknown function in a template",
            text: group("  - alert: a\n    expr: up\n    annotations: {s: '{{ $value | shout }}'}\n"),
            problem: "function \"shout\" not defined"),
        Case(
            name: "undefined variable in a template",
            text: group("  - alert: a\n    expr: up\n    labels: {s: '{{ $lables.job }}'}\n"),
            problem: "undefined variable \"$lables\""),
        Case(
            name: "unbalanced block",
            text: group("  - alert: a\n    expr: up\n    annotations: {s: '{{ if $value }}x'}\n"),
            problem: "has no {{end}}"),
        Case(name: "unknown alias", text: "groups: *nobody\n", problem: "unknown anchor"),
        Case(name: "merge of a text", text: "groups:\n- <<: text\n  name: g\n", problem: "map merge requires"),
    ]
}
