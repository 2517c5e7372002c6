import Telemetry

/// What was told of metric families since the start: each scrape, and at a relay each request, brings it again, the uplink
/// needs it once.
///
/// Memory: 16 B a family. Beyond ``familiesMax`` everything is forgotten, and told once more.
struct ToldFamilies: Sendable {
    static let familiesMax = 20_000
    /// Hashes of names to hashes of what was said; a collision leaves a change untold until the next start.
    private var told: [Int: Int] = [:]

    init() {}

    /// Of some families those that say something new; noted as told.
    mutating func news(_ families: [MetricMetadata]) -> [MetricMetadata] {
        families.filter { family in
            if told.count >= Self.familiesMax { told.removeAll() }
            return told.updateValue(family.hashValue, forKey: family.name.hashValue) != family.hashValue
        }
    }
}
