/// What one tenant may take of the machine. Other tenants notice nothing of who is at a bound.
package struct TenantLimits: Hashable, Sendable {
    /// `active-series` (2,000,000): samples of further series are refused where they are pushed, with the reason, and
    /// left out and counted (`stagebox_store_series_refused_total`) where agents send them.
    package var activeSeries = StoreLimits.seriesMax
    /// `samples-per-second` (0: none): beyond it pushes are answered 429 and come again. What agents send waits in the
    /// tenant's queue instead, for what was acknowledged is never lost.
    package var samplesPerSecond = 0
    /// `labels` (64, at most 64) of one series.
    package var labels = 64
    /// `label-name-bytes` (256, at most 256), `label-value-bytes` (2048, at most 2048).
    package var labelNameBytes = 256
    package var labelValueBytes = 2048
    /// `queries` (32) that run at once.
    package var queries = 32
    /// `query-samples` (50,000,000) that one query holds at once.
    package var querySamples = 50_000_000
    /// `query-seconds` (120) that one query may run.
    package var querySeconds = 120
    /// `retention` of samples and rollups, as ``RetentionPolicy/init(parsing:over:)`` reads it; nil: the aggregator's.
    package var retention: RetentionPolicy?

    package init() {}

    package struct Invalid: Error, CustomStringConvertible {
        package let description: String
    }

    private static let fields:
        [(name: String, field: any (WritableKeyPath<TenantLimits, Int> & Sendable), range: ClosedRange<Int>)] = [
            ("active-series", \.activeSeries, 0...100_000_000),
            ("samples-per-second", \.samplesPerSecond, 0...1_000_000_000),
            ("labels", \.labels, 1...64),
            ("label-name-bytes", \.labelNameBytes, 1...256),
            ("label-value-bytes", \.labelValueBytes, 1...2048),
            ("queries", \.queries, 1...1000),
            ("query-samples", \.querySamples, 1...1_000_000_000),
            ("query-seconds", \.querySeconds, 1...3600),
        ]

    /// Takes one `name=value`.
    /// - Parameter base: of tiers that a retention does not name.
    mutating func set(_ text: Substring, retention base: RetentionPolicy) throws(Invalid) {
        let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if pair.count == 2, pair[0] == "retention" {
            do { retention = try RetentionPolicy(parsing: String(pair[1]), over: retention ?? base) } catch {
                throw Invalid(description: "\(text): \(error)")
            }
            return
        }
        guard pair.count == 2, let entry = Self.fields.first(where: { $0.name == pair[0] }) else {
            let names = Self.fields.map(\.name) + ["retention"]
            throw Invalid(description: "\"\(text)\": one of \(names.joined(separator: ", ")), then =value")
        }
        guard let value = Int(pair[1]), entry.range.contains(value) else {
            throw Invalid(
                description: "\(entry.name)=\(pair[1]): from \(entry.range.lowerBound) to \(entry.range.upperBound)")
        }
        self[keyPath: entry.field] = value
    }

    /// Reads `limits.conf`: a line for each tenant, `*` for those without one, and `#` comments:
    ///
    ///     *     samples-per-second=500000
    ///     acme  active-series=100000 queries=4 retention=raw=30d,5m=180d,1h=2y
    ///
    /// - Parameter retention: the aggregator's, for tiers that no line names.
    /// - Returns: by tenant's name; what a line does not name is as in `*`, else the default.
    package static func parse(_ text: String, retention: RetentionPolicy = .standard) throws(Invalid)
        -> [String: TenantLimits]
    {
        var lines: [(number: Int, words: [Substring])] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            if !words.isEmpty { lines.append((index + 1, words)) }
        }
        var all: [String: TenantLimits] = [:]
        // The line for all comes first, wherever it stands.
        for line in lines.filter({ $0.words[0] == "*" }) + lines.filter({ $0.words[0] != "*" }) {
            var limits = all[String(line.words[0])] ?? all["*"] ?? TenantLimits()
            for word in line.words.dropFirst() {
                do { try limits.set(word, retention: retention) } catch {
                    throw Invalid(description: "limits.conf, line \(line.number): \(error)")
                }
            }
            all[String(line.words[0])] = limits
        }
        return all
    }
}
