import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry

/// What sources say of their metric families, as `ingest.sqlite` keeps it, and in memory:
///
///     family(name, type, unit, help)   of several reports of a name the last stays
///
/// Bound: ``familiesMax``; further ones are left out and counted. Memory: some 0.2 kB each.
///
/// Thread-safe.
final class FamilyTable: Sendable {
    static let familiesMax = 65_536
    static let migration = Migration(
        """
        CREATE TABLE family(name TEXT PRIMARY KEY, type INTEGER NOT NULL, unit TEXT NOT NULL, help TEXT NOT NULL)
          STRICT, WITHOUT ROWID;
        """)

    private let known = Mutex<[String: MetricMetadata]>([:])

    func load(from database: Database) throws {
        let statement = try database.statement("SELECT name, type, unit, help FROM family LIMIT ?1")
        defer { statement.reset() }
        try statement.bind(1, Self.familiesMax)
        var families: [String: MetricMetadata] = [:]
        while try statement.step() {
            let type = MetricType(rawValue: UInt8(truncatingIfNeeded: statement.integer(1))) ?? .unknown
            let family = MetricMetadata(
                name: statement.text(0), type: type, unit: statement.text(2), help: statement.text(3))
            if let family { families[family.name] = family }
        }
        known.withLock { $0 = families }
    }

    var all: [String: MetricMetadata] { known.withLock { $0 } }

    /// The family that a metric is of: the one of its very name, or the one without a suffix.
    func family(of metric: String) -> MetricMetadata? {
        known.withLock { known in
            if let family = known[metric] { return family }
            guard let underscore = metric.lastIndex(of: "_"), let family = known[String(metric[..<underscore])],
                family.covers(metric)
            else { return nil }
            return family
        }
    }

    /// Of some reports those that say something new, each name once, and the names for which there is no room.
    func news(_ families: some Sequence<MetricMetadata>) -> (news: [MetricMetadata], leftOut: Int) {
        known.withLock { known in
            var news: [String: MetricMetadata] = [:]
            var (fresh, leftOut) = (0, 0)
            for family in families {
                let before = news[family.name] ?? known[family.name]
                // Who says nothing takes nothing back.
                var family = family
                if let before {
                    if family.type == .unknown { family.type = before.type }
                    if family.unit.isEmpty { family.unit = before.unit }
                    if family.help.isEmpty { family.help = before.help }
                    guard family != before else { continue }
                } else {
                    guard known.count + fresh < Self.familiesMax else {
                        leftOut += 1
                        continue
                    }
                    fresh += 1
                }
                news[family.name] = family
            }
            return (news.values.sorted { $0.name < $1.name }, leftOut)
        }
    }

    static func put(_ families: [MetricMetadata], in database: Database) throws {
        let statement = try database.statement(
            "INSERT OR REPLACE INTO family(name, type, unit, help) VALUES (?1, ?2, ?3, ?4)")
        for family in families {
            try statement.bind(1, family.name)
            try statement.bind(2, Int64(family.type.rawValue))
            try statement.bind(3, family.unit)
            try statement.bind(4, family.help)
            try statement.run()
        }
    }

    /// What a transaction made durable.
    func remember(_ families: [MetricMetadata]) {
        known.withLock { known in
            for family in families { known[family.name] = family }
        }
    }
}

extension TenantStore {
    /// Keeps what is said of metric families, durably; what is known already costs a look. On any thread.
    package func note(_ families: [MetricMetadata]) throws {
        let (news, leftOut) = self.families.news(families)
        countLeftOut(leftOut)
        guard !news.isEmpty else { return }
        try throwing {
            try ingest.use { database in try database.transaction { try FamilyTable.put(news, in: database) } }
        }
        self.families.remember(news)
    }

    func countLeftOut(_ families: Int) {
        guard families > 0 else { return }
        metrics.add("stagebox_store_families_left_out_total", Double(families), "tenant", tenant.rawValue)
    }

    /// What is said of metric families, by name.
    package var metricFamilies: [String: MetricMetadata] { families.all }

    /// The family that a metric is of, if anything was said of it.
    package func metricFamily(of metric: String) -> MetricMetadata? { families.family(of: metric) }
}
