import API
import PromQL
import Store
import Telemetry

/// What a query reads of the time before samples are kept: rollups, as samples that its function makes the right
/// answer of.
///
/// With windows and steps that are multiples of the rollups' width, the sums, counts, averages, minima, maxima and last
/// values over time are those of the samples themselves (sums up to rounding). Rates and increases are those of a
/// counter that was read once per stretch, all resets included. Other functions, and plain selectors, see the last
/// value of each stretch.
struct RolledPlan: Sendable {
    struct Part: Sendable {
        let tier: RollupTier
        let range: ClosedRange<Timestamp>
    }
    /// Ascending in time.
    private(set) var parts: [Part] = []
    let samplesBegin: Timestamp
    let function: String?

    /// - Returns: nil when samples are kept for the whole range, or no rollups for any part of it.
    init?(_ store: TenantStore, _ range: ClosedRange<Timestamp>, _ hints: SelectHints) {
        samplesBegin = store.samplesBegin
        guard range.lowerBound < samplesBegin else { return nil }
        function = hints.window > 0 ? hints.function : nil
        var end = min(range.upperBound, samplesBegin.advanced(byMilliseconds: -1))
        for tier in RollupTier.allCases where tier.width <= hints.sourceResolutionMax {
            guard let begin = store.begin(of: tier) else { continue }
            let first = max(begin, range.lowerBound)
            guard first <= end else { continue }
            parts.insert(Part(tier: tier, range: first...end), at: 0)
            end = first.advanced(byMilliseconds: -1)
        }
        if parts.isEmpty { return nil }
    }

    var info: String {
        let tiers = parts.reversed().map(\.tier.rawValue).joined(separator: " and ")
        return
            "samples from before \(InternetTime.format(samplesBegin)) are not kept: rollups of \(tiers) answered for them"
    }

    /// What a rollup is to the function around the selector.
    private func value(_ rollup: Rollup, keepsIncrease: Bool) -> Double {
        switch function {
        case "sum_over_time", "avg_over_time": rollup.sum
        case "min_over_time": rollup.min
        case "max_over_time": rollup.max
        case "first_over_time": keepsIncrease ? rollup.first : rollup.last
        default: rollup.last
        }
    }

    /// Appends the rollups' samples.
    func append(
        _ rollups: [Rollup], keepsIncrease: Bool, to buffer: inout SampleBuffer, _ counter: inout Counter
    ) {
        let isCounter = keepsIncrease && (function == "rate" || function == "increase")
        let isWeighted = function == "count_over_time" || function == "avg_over_time"
        for rollup in rollups {
            let value = isCounter ? counter.add(rollup) : value(rollup, keepsIncrease: keepsIncrease)
            if isWeighted {
                buffer.append(rollup.stamp, value, weight: rollup.count)
            } else {
                buffer.append(rollup.stamp, value)
            }
        }
    }

    /// A counter without resets that grows as the one behind the rollups did.
    struct Counter {
        private var total: Double?
        private var last = 0.0

        mutating func add(_ rollup: Rollup) -> Double {
            let before = total.map { $0 + (rollup.first < last ? rollup.first : rollup.first - last) } ?? rollup.first
            last = rollup.last
            total = before + rollup.increase
            return before + rollup.increase
        }

        /// What samples that follow have more, so that they go on where the total stands; after a reset nothing.
        func offset(before first: Double) -> Double { total.map { first < last ? 0 : $0 - last } ?? 0 }
    }
}

/// Rollups up to where samples begin, then samples.
struct RolledReader {
    private let plan: RolledPlan
    private let readers: [RollupReader]

    init(_ store: TenantStore, _ plan: RolledPlan) throws {
        self.plan = plan
        readers = try plan.parts.map { try store.rollupReader($0.tier, in: $0.range) }
    }

    var damagedParts: Int { readers.reduce(0) { $0 + $1.damagedParts } }

    /// - Parameter readSamples: appends the samples from ``RolledPlan/samplesBegin`` on.
    func read(
        _ place: SeriesIndex.Place, into buffer: inout SampleBuffer, _ readSamples: (inout SampleBuffer) throws -> Void
    ) throws {
        var counter = RolledPlan.Counter()
        for reader in readers {
            let (rollups, keepsIncrease) = try reader.rollups(of: place)
            plan.append(rollups, keepsIncrease: keepsIncrease, to: &buffer, &counter)
        }
        let rolled = buffer.values.count
        try readSamples(&buffer)
        guard rolled < buffer.values.count else { return }
        let offset = counter.offset(before: buffer.values[rolled])
        guard offset > 0 else { return }
        // Up to the first reset, which the query sees by itself.
        var previous = -Double.infinity
        for index in rolled..<buffer.values.count where !StalenessMarker.isStale(buffer.values[index]) {
            guard buffer.values[index] >= previous else { break }
            previous = buffer.values[index]
            buffer.values[index] += offset
        }
    }
}
