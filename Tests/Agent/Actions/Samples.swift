import Telemetry

enum Samples {
    static let detected = Finding(
        id: ID128(high: 1, low: 1), group: "cpu", since: Timestamp(milliseconds: 1_790_000_000_123), score: 0.5,
        peakAt: Timestamp(seconds: 1_790_000_001), anomalousCount: 3,
        contributors: [
            Finding.Contributor(key: SeriesKey(name: "node_load1", labels: [Label("a", "b\"\n")]), share: 1)
        ])

    static func rule(
        _ number: UInt64 = 2, severity: Finding.Severity = .warning, until: Timestamp? = nil, labelBytes: Int = 1
    ) -> Finding {
        Finding(
            id: ID128(high: 0, low: number), group: "disk", since: Timestamp(seconds: 1_790_000_000),
            until: until, score: 1, peakAt: Timestamp(seconds: 1_790_000_000), anomalousCount: 1,
            contributors: (0..<8).map { place in
                Finding.Contributor(
                    key: SeriesKey(
                        name: "free",
                        labels: (0..<16).map { Label("l\(place)\($0)", String(repeating: "x", count: labelBytes)) }),
                    share: 0.125)
            },
            rule: Finding.Rule(name: "disk-full", severity: severity, value: 0.05, threshold: 0.1))
    }
}
