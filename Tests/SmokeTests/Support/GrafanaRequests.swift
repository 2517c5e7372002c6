import TestSupport

/// Requests in the forms that Grafana's Prometheus data source documents and sends, over the families of
/// node_exporter; `$__interval`, `$__rate_interval` and `$__range` stand expanded as it expands them.
struct GrafanaRequest: Sendable {
    enum Form: Sendable { case get, post }
    let form: Form
    let path: String
    let parameters: [(String, String)]
    /// Something must come back, not only no error.
    let isFilled: Bool

    /// - Parameter now: Unix seconds.
    static func all(now: Int) -> [GrafanaRequest] {
        health + panels.flatMap { range($0, now: now) } + gauges(now: now) + variables(now: now) + browsing(now: now)
            + editor
    }

    private static func query(_ text: String, filled: Bool = true, _ more: [(String, String)] = []) -> GrafanaRequest {
        GrafanaRequest(form: .post, path: "/api/v1/query", parameters: [("query", text)] + more, isFilled: filled)
    }

    /// "Save & test", and what it asks to learn whom it talks to.
    private static let health = [
        query("1+1", filled: false, [("time", "4")]),
        GrafanaRequest(form: .get, path: "/api/v1/status/buildinfo", parameters: [], isFilled: true),
        GrafanaRequest(form: .get, path: "/api/v1/query", parameters: [("query", "1+1")], isFilled: true),
        GrafanaRequest(form: .get, path: "/-/healthy", parameters: [], isFilled: false),
        GrafanaRequest(form: .get, path: "/-/ready", parameters: [], isFilled: false),
        GrafanaRequest(form: .get, path: "/api/v1/status/flags", parameters: [], isFilled: true),
        GrafanaRequest(form: .get, path: "/api/v1/status/runtimeinfo", parameters: [], isFilled: true),
        GrafanaRequest(form: .get, path: "/api/v1/status/tsdb", parameters: [], isFilled: true),
        GrafanaRequest(form: .get, path: "/api/v1/status/tsdb", parameters: [("limit", "20")], isFilled: true),
    ]

    private static let panels = [
        "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[1m0s])) * 100",
        "100 - (avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[1m0s])) * 100)",
        "sum by(mode) (irate(node_cpu_seconds_total{job=\"stagebox\"}[5m]))",
        "node_load1{job=~\"stagebox|.*\"}", "node_load5", "node_load15",
        "(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) / node_memory_MemTotal_bytes * 100",
        "node_memory_MemTotal_bytes{} - node_memory_MemFree_bytes{} - (node_memory_Cached_bytes{} + "
            + "node_memory_Buffers_bytes{})",
        "rate(node_network_receive_bytes_total{device!=\"nothing\"}[1m0s]) * 8",
        "rate(node_network_transmit_bytes_total[1m0s]) * -8",
        "rate(node_context_switches_total[1m0s])", "rate(node_intr_total[1m0s])",
        "topk(3, rate(node_cpu_seconds_total[1m0s]))",
        "max_over_time(node_load1[5m:15s])",
        "avg_over_time(node_memory_MemAvailable_bytes[5m] offset 1s)",
        "quantile(0.95, rate(node_cpu_seconds_total[1m0s]))",
        "count(count by (cpu) (node_cpu_seconds_total))",
        "label_replace(node_load1, \"host\", \"$1\", \"instance\", \"(.*)\")",
        "node_boot_time_seconds * 1000",
    ]

    private static func range(_ text: String, now: Int) -> [GrafanaRequest] {
        [
            GrafanaRequest(
                form: .post, path: "/api/v1/query_range",
                parameters: [
                    ("query", text), ("start", "\(now - 300)"), ("end", "\(now)"), ("step", "15"),
                ], isFilled: true)
        ]
    }

    /// Other steps and times, instant panels, heat maps, exemplars, annotations, alert rules.
    private static func gauges(now: Int) -> [GrafanaRequest] {
        func range(_ text: String, step: String, start: String, end: String, filled: Bool = true) -> GrafanaRequest {
            GrafanaRequest(
                form: .post, path: "/api/v1/query_range",
                parameters: [("query", text), ("start", start), ("end", end), ("step", step)], isFilled: filled)
        }
        return [
            range("node_load1", step: "15.000", start: "\(now - 300).123", end: "\(now).456"),
            range("node_load1", step: "0.5", start: "\(now - 60)", end: "\(now)"),
            range("node_load1", step: "1m", start: "\(now - 3600)", end: "\(now)"),
            range("node_load1", step: "1h0m0s", start: "\(now - 86_400)", end: "\(now)", filled: false),
            range(
                "node_load1", step: "30", start: "2020-01-01T00:00:00Z", end: "2020-01-01T01:00:00.000Z", filled: false),
            range(
                "sum by (le) (increase(stagebox_absent_bucket[1m0s]))", step: "15", start: "\(now - 300)",
                end: "\(now)", filled: false),
            range(
                "histogram_quantile(0.9, sum by (le) (rate(stagebox_absent_bucket[1m0s])))", step: "15",
                start: "\(now - 300)", end: "\(now)", filled: false),
            range("ALERTS{alertstate=\"firing\"}", step: "60s", start: "\(now - 300)", end: "\(now)", filled: false),
            range(
                "changes(node_boot_time_seconds[1m]) > 0", step: "60s", start: "\(now - 300)", end: "\(now)",
                filled: false),
            query("sum(node_memory_MemTotal_bytes)", [("time", "\(now)")]),
            query("node_uname_info", filled: false, [("time", "\(now).5")]),
            query("time() - node_boot_time_seconds", [("time", "\(now)"), ("timeout", "60s")]),
            query("sum(increase(node_context_switches_total[5m]))", [("time", "\(now)"), ("limit", "100")]),
            query("up or vector(1)", [("time", "\(now)"), ("stats", "all")]),
            query("absent(node_load1)", filled: false, [("time", "\(now)")]),
            query("{__name__=~\"node_load.*\"}", [("time", "\(now)")]),
            query("{\"node_load1\"}", [("time", "\(now)")]),
            query("\"text\"", filled: false),
            GrafanaRequest(
                form: .get, path: "/api/v1/query",
                parameters: [("query", "node_load1"), ("time", "\(now)")], isFilled: true),
            GrafanaRequest(
                form: .get, path: "/api/v1/query_range",
                parameters: [
                    ("query", "node_load1"), ("start", "\(now - 60)"), ("end", "\(now)"), ("step", "15"),
                ], isFilled: true),
            GrafanaRequest(
                form: .post, path: "/api/v1/query_exemplars",
                parameters: [("query", "node_load1"), ("start", "\(now - 60)"), ("end", "\(now)")], isFilled: false),
            GrafanaRequest(
                form: .get, path: "/api/v1/query_exemplars",
                parameters: [("query", "rate(node_intr_total[1m])"), ("start", "\(now - 60)"), ("end", "\(now)")],
                isFilled: false),
            GrafanaRequest(form: .get, path: "/api/v1/rules", parameters: [], isFilled: false),
            GrafanaRequest(form: .get, path: "/api/v1/rules", parameters: [("type", "alert")], isFilled: false),
            GrafanaRequest(form: .get, path: "/api/v1/rules", parameters: [("type", "record")], isFilled: false),
            GrafanaRequest(form: .get, path: "/api/v1/alerts", parameters: [], isFilled: false),
            GrafanaRequest(form: .get, path: "/api/v1/alertmanagers", parameters: [], isFilled: false),
            GrafanaRequest(form: .get, path: "/api/v1/targets", parameters: [("state", "active")], isFilled: false),
        ]
    }

    /// `label_names()`, `label_values(…)`, `metrics(…)`, `query_result(…)` and series queries of dashboard variables.
    private static func variables(now: Int) -> [GrafanaRequest] {
        let times = [("start", "\(now - 3600)"), ("end", "\(now)")]
        func get(_ path: String, _ parameters: [(String, String)], filled: Bool = true) -> GrafanaRequest {
            GrafanaRequest(form: .get, path: path, parameters: parameters, isFilled: filled)
        }
        return [
            get("/api/v1/labels", times), get("/api/v1/labels", []),
            get("/api/v1/labels", times + [("match[]", "node_cpu_seconds_total")]),
            get("/api/v1/label/__name__/values", times),
            get("/api/v1/label/__name__/values", times + [("match[]", "{job=\"stagebox\"}")]),
            get("/api/v1/label/job/values", times), get("/api/v1/label/instance/values", []),
            get("/api/v1/label/mode/values", times + [("match[]", "node_cpu_seconds_total{job=~\".+\"}")]),
            get("/api/v1/label/device/values", times + [("match[]", "node_network_receive_bytes_total")]),
            get("/api/v1/label/le/values", times, filled: false),
            get("/api/v1/label/cpu/values", times + [("limit", "40000")]),
            get("/api/v1/series", times + [("match[]", "node_load1")]),
            get("/api/v1/series", times + [("match[]", "node_load1"), ("match[]", "node_load5"), ("limit", "40000")]),
            GrafanaRequest(
                form: .post, path: "/api/v1/series", parameters: times + [("match[]", "node_cpu_seconds_total")],
                isFilled: true),
            GrafanaRequest(
                form: .post, path: "/api/v1/labels", parameters: times + [("match[]", "{__name__=~\"node_.+\"}")],
                isFilled: true),
            query("label_replace(node_load1, \"x\", \"$1\", \"job\", \"(.+)\")", [("time", "\(now)")]),
        ]
    }

    /// The metrics browser.
    private static func browsing(now: Int) -> [GrafanaRequest] {
        let times = [("start", "\(now - 3600)"), ("end", "\(now)")]
        return [
            GrafanaRequest(form: .get, path: "/api/v1/metadata", parameters: [], isFilled: true),
            GrafanaRequest(form: .get, path: "/api/v1/metadata", parameters: [("limit", "5000")], isFilled: true),
            GrafanaRequest(
                form: .get, path: "/api/v1/metadata", parameters: [("metric", "node_load1")], isFilled: true),
            GrafanaRequest(
                form: .get, path: "/api/v1/metadata", parameters: [("limit_per_metric", "1")], isFilled: true),
            GrafanaRequest(
                form: .get, path: "/api/v1/label/__name__/values",
                parameters: times + [("match[]", "{mode=\"idle\",cpu=~\".*0.*\"}"), ("limit", "100")], isFilled: true),
            GrafanaRequest(
                form: .get, path: "/api/v1/series",
                parameters: times + [("match[]", "{__name__=~\"node_memory_Mem.*\",job!=\"\"}")], isFilled: true),
        ]
    }

    /// What the query editor has checked and formatted.
    private static let editor = [
        GrafanaRequest(
            form: .get, path: "/api/v1/format_query", parameters: [("query", "sum(rate(node_intr_total[5m]))by(job)")],
            isFilled: true),
        GrafanaRequest(
            form: .post, path: "/api/v1/format_query", parameters: [("query", "node_load1")], isFilled: true),
        GrafanaRequest(
            form: .get, path: "/api/v1/parse_query", parameters: [("query", "rate(node_intr_total[5m])")],
            isFilled: true),
        GrafanaRequest(
            form: .post, path: "/api/v1/parse_query", parameters: [("query", "node_load1 > 1")], isFilled: true),
    ]
}
