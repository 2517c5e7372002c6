public import Telemetry

/// One endpoint to scrape, with the labels that its series get.
///
/// As Prometheus makes it of a target group: `__address__`, `__scheme__` (http only), `__metrics_path__` and
/// `__param_…` say where, relabelling may drop it, what begins with `__` goes then. `instance` is the address unless
/// given, `job` the configured name unless given. Since the aggregator sets `instance`, `job`, `region` and `site` of
/// this node, the target's own are called `exported_instance` and so on, as in a federation without honor_labels.
public struct ScrapeTarget: Sendable, Hashable {
    public var address: HTTPTarget
    /// Sorted by name.
    public var labels: [Label]

    public init(address: HTTPTarget, labels: [Label]) {
        self.address = address
        self.labels = labels
    }

    /// What tells it from all other targets, in every report the same.
    public var unit: String {
        "scrape \(address.url) " + labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
    }

    public enum Outcome: Sendable, Equatable {
        case target(ScrapeTarget)
        case dropped
        case invalid(String)
    }

    public static func make(_ text: String, _ group: TargetGroup, job: String, rules: [RelabelRule]) -> Outcome {
        var values: [String: String] = [
            "__address__": text, "__scheme__": "http", "__metrics_path__": "/metrics", "job": job,
        ]
        for label in group.labels { values[label.name] = label.value }
        guard rules.keep({ values[$0] ?? "" }) else { return .dropped }
        guard values["__scheme__"] == "http" else {
            return .invalid("\(HTTPTarget.shown(text)): only plain http can be scraped")
        }
        let path = values["__metrics_path__"] ?? ""
        let parameters = values.filter { $0.key.hasPrefix("__param_") }.sorted { $0.key < $1.key }.map {
            escaped(String($0.key.dropFirst(8))) + "=" + escaped($0.value)
        }
        let query = parameters.isEmpty ? "" : (path.contains("?") ? "&" : "?") + parameters.joined(separator: "&")
        guard let place = values["__address__"],
            let address = HTTPTarget("http://\(place)\(path.hasPrefix("/") ? "" : "/")\(path)\(query)")
        else { return .invalid("\(HTTPTarget.shown(text)): is not of the form host:port") }
        if (values["instance"] ?? "").isEmpty { values["instance"] = place }
        let labels = values.filter { !$0.key.hasPrefix("__") && !$0.value.isEmpty }.map {
            Label(SourceNames.enrolmentLabels.contains($0.key) ? "exported_\($0.key)" : $0.key, $0.value)
        }
        return .target(ScrapeTarget(address: address, labels: labels.sorted()))
    }

    /// Percent-encoding of a query's parts (RFC 3986, section 2.3).
    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte -> String in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                return String(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                return "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }.joined()
    }
}
