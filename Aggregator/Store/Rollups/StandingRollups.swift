/// What is asked of the rollups that stand for samples.
package enum RollupQuestion: Sendable {
    case presence, count, sum, average, min, max, first, last, increase

    var fields: RollupGroup.Fields {
        switch self {
        case .presence: []
        case .count: .count
        case .sum: .sum
        case .average: [.sum, .count]
        case .min: .min
        case .max: .max
        case .first: .first
        case .last: .last
        case .increase: [.count, .first, .last, .increase]
        }
    }
}

/// Reads the rollups that stand for samples where a scope's choice lets them: what they and the scope's readers say of
/// a series is together everything, and nothing twice. Not thread-safe: one for each thread.
package final class StandingRollups {
    package enum Answer {
        /// These, beside the scope's samples; empty when samples are all there is. `keepsIncrease` is false for gauges:
        /// then ``Rollup/increase`` and ``Rollup/first`` say nothing.
        case beside(keepsIncrease: Bool)
        /// None: the series has to be read without a choice.
        case samplesOnly
    }

    private let scope: ReadScope
    private let readers: [(tier: RollupTier, reader: RollupReader)]
    private let question: RollupQuestion
    /// Tiers that were read.
    package private(set) var tiersUsed = Set<RollupTier>()

    package init(_ scope: ReadScope, _ question: RollupQuestion) throws {
        self.scope = scope
        self.question = question
        readers = try RollupTier.allCases.map {
            ($0, try RollupReader(scope.store, scope.store.files(of: $0), scope.range))
        }
    }

    /// Appends the rollups of a series, ascending by stamp. Those of a series that several agents send, or of which
    /// something was deleted lately, stand for nothing.
    /// - Throws: ``StoreError``.
    package func append(_ place: SeriesIndex.Place, to rollups: inout [Rollup]) throws -> Answer {
        guard !place.isShared, !scope.deleted.all.contains(where: { $0.contains(place.id.rawValue) }) else {
            return .samplesOnly
        }
        let slice = WindowPlace.slice(of: place.id.rawValue)
        guard let windows = try scope.store.throwing({ try scope.rolled(of: place.agent) }) else {
            return .beside(keepsIncrease: true)
        }
        var keepsIncrease = true
        let base = rollups.count
        let tiers = windows.tiers(of: slice)
        for (tier, reader) in readers where tiers.contains(tier) {
            guard let series = try reader.complete(place.id.rawValue, place.agent, question.fields) else {
                rollups.removeLast(rollups.count - base)
                return .samplesOnly
            }
            let before = rollups.count
            for rollup in series.rollups
            where scope.range.contains(rollup.stamp) && windows.tier(of: slice, at: rollup.stamp) == tier {
                rollups.append(rollup)
            }
            guard rollups.count > before else { continue }
            keepsIncrease = keepsIncrease && series.keepsIncrease
            tiersUsed.insert(tier)
        }
        // What is being deleted meanwhile takes whole rollups with it.
        guard scope.store.deletions.current.highest == scope.deleted.highest else {
            rollups.removeLast(rollups.count - base)
            return .samplesOnly
        }
        if tiers.count > 1 { rollups[base...].sort { $0.stamp < $1.stamp } }
        return .beside(keepsIncrease: keepsIncrease)
    }
}
