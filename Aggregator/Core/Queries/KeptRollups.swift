import PromQL
import Store
import Telemetry

/// Where rollups answer although samples are kept: faster, and with the same answer.
///
/// | function | what rollups say | how exact |
/// | --- | --- | --- |
/// | `count`, `present`, `absent`, `min`, `max`, `first`, `last` `_over_time` | what the samples say | bit by bit |
/// | `sum_over_time`, `avg_over_time` | sums of stretches | to 1e-12 of the sum of the magnitudes, up to 9,000 samples an hour |
/// | `increase`, `rate`, `delta` | the inside of windows; what is around their edges stays samples | to 1e-12 of the increase |
///
/// A series is read from samples as a whole where rollups would not do: a sum that is no finite number, a counter
/// whose rollups do not tell where it fell, a window that begins or ends within rollups. Other functions read samples.
struct KeptPlan: Sendable {
    let choice: RollupChoice
    let function: Function
    fileprivate let edges: Edges

    enum Function: String, Sendable {
        case presence = "present_over_time"
        case absence = "absent_over_time"
        case count = "count_over_time"
        case sum = "sum_over_time"
        case average = "avg_over_time"
        case min = "min_over_time"
        case max = "max_over_time"
        case first = "first_over_time"
        case last = "last_over_time"
        case increase, rate, delta

        var question: RollupQuestion {
            switch self {
            case .presence, .absence: .presence
            case .count, .delta: .count
            case .sum: .sum
            case .average: .average
            case .min: .min
            case .max: .max
            case .first: .first
            case .last: .last
            case .increase, .rate: .increase
            }
        }
        var readsAroundEdges: Bool { self == .increase || self == .rate || self == .delta }
    }

    /// The windows `(start, start + width]` that begin every step, milliseconds.
    struct Edges: Sendable {
        let first: Int64
        let step: Int64
        let width: Int64
        let count: Int64

        func start(_ index: Int64) -> Int64 { first + index * step }
        /// Where windows begin and where they end.
        var all: some Sequence<Int64> {
            (0..<count).lazy.flatMap { [start($0), start($0) + width] }
        }
    }

    /// - Parameter isRolledBefore: rollups answer for what is before the samples, too.
    /// - Returns: nil when samples answer everything.
    init?(_ store: TenantStore, _ request: SeriesRequest, isRolledBefore: Bool) {
        let hints = request.hints
        guard hints.window > 0, !hints.isExtended, let name = hints.function, let function = Function(rawValue: name),
            !(isRolledBefore && function.readsAroundEdges)
        else { return nil }
        let available = RollupTier.allCases.filter {
            $0.width <= hints.sourceResolutionMax && store.begin(of: $0) != nil
        }
        let range = request.range
        let span = range.upperBound - range.lowerBound + 1 - hints.window
        guard span >= 0 else { return nil }
        edges = Edges(
            first: range.lowerBound - 1, step: hints.step, width: hints.window,
            count: hints.step > 0 ? span / hints.step + 1 : 1)
        let begin = max(range.lowerBound, store.samplesBegin.milliseconds)
        guard begin <= range.upperBound,
            let choice = RollupChoice(
                begin...range.upperBound, edges: edges.all, available: available,
                readsAroundEdges: function.readsAroundEdges, closedBefore: store.rolledBefore.milliseconds)
        else { return nil }
        self.function = function
        self.choice = choice
    }

    static func info(_ tiers: Set<RollupTier>) -> String {
        let names = RollupTier.allCases.filter(tiers.contains).map(\.rawValue).joined(separator: " and ")
        return "rollups of \(names) answered where they say what the samples say (sums and rates up to rounding); "
            + "with max_source_resolution=0s samples answer"
    }
}

/// Samples and the rollups that stand for others. One thread's own.
final class KeptReader {
    private let plan: KeptPlan
    private let standing: StandingRollups
    private let whole: ReadScope
    /// Reads series that rollups do not answer for.
    private lazy var samples = whole.reader()
    private var rollups: [Rollup] = []
    private var beside = SampleBuffer()
    private(set) var tiersUsed = Set<RollupTier>()
    private(set) var damagedParts = 0

    init(_ scope: ReadScope, _ plan: KeptPlan) throws {
        self.plan = plan
        standing = try StandingRollups(scope, plan.function.question)
        whole = scope.withoutChoice
    }

    /// - Parameter reader: of the scope.
    func read(_ place: SeriesIndex.Place, _ reader: inout SeriesReader, into buffer: inout SampleBuffer) throws {
        rollups.removeAll(keepingCapacity: true)
        guard case .beside(let keepsIncrease) = try standing.append(place, to: &rollups) else {
            return try readSamples(place, into: &buffer)
        }
        guard !rollups.isEmpty else { return try reader.read(place, &buffer.timestamps, &buffer.values) }
        // Out of the object meanwhile, of which only one part may be changed at a time.
        var samples = beside
        beside = SampleBuffer()
        samples.removeAll()
        try reader.read(place, &samples.timestamps, &samples.values)
        samples.dropStale()
        beside = samples
        guard isUsable(keepsIncrease), merge(into: &buffer) else { return try readSamples(place, into: &buffer) }
        tiersUsed = standing.tiersUsed
    }

    private func readSamples(_ place: SeriesIndex.Place, into buffer: inout SampleBuffer) throws {
        try samples.read(place, &buffer.timestamps, &buffer.values)
        damagedParts = samples.damagedParts
    }

    private func isUsable(_ keepsIncrease: Bool) -> Bool {
        switch plan.function {
        case .sum, .average: rollups.allSatisfy { $0.sum.isFinite }
        case .first: keepsIncrease
        case .increase, .rate: keepsIncrease && plan.edges.areSamples(rollups, beside.timestamps)
        case .delta: plan.edges.areSamples(rollups, beside.timestamps)
        default: true
        }
    }

    /// Puts rollups and samples together, ascending in time.
    /// - Returns: false when a rollup does not tell what is asked; then the buffer is as before.
    private func merge(into buffer: inout SampleBuffer) -> Bool {
        let before = buffer.values.count
        var next = 0
        for rollup in rollups {
            while next < beside.timestamps.count, beside.timestamps[next] < rollup.stamp {
                buffer.append(beside.timestamps[next], beside.values[next])
                next += 1
            }
            guard append(rollup, to: &buffer) else {
                buffer.removeLast(buffer.values.count - before)
                return false
            }
        }
        buffer.timestamps.append(contentsOf: beside.timestamps[next...])
        buffer.values.append(contentsOf: beside.values[next...])
        return true
    }

    private func append(_ rollup: Rollup, to buffer: inout SampleBuffer) -> Bool {
        switch plan.function {
        case .presence, .absence: buffer.append(rollup.stamp, 1)
        case .sum: buffer.append(rollup.stamp, rollup.sum)
        case .min: buffer.append(rollup.stamp, rollup.min)
        case .max: buffer.append(rollup.stamp, rollup.max)
        case .first: buffer.append(rollup.stamp, rollup.first)
        case .last: buffer.append(rollup.stamp, rollup.last)
        case .average: buffer.append(rollup.stamp, rollup.sum, weight: rollup.count)
        case .count, .delta: buffer.append(rollup.stamp, 0, weight: rollup.count)
        case .increase, .rate: return appendCounter(rollup, to: &buffer)
        }
        return true
    }

    /// As a counter that goes from the first value to the last and falls, if it fell, from as much as it lost in all.
    private func appendCounter(_ rollup: Rollup, to buffer: inout SampleBuffer) -> Bool {
        let lost = rollup.increase - (rollup.last - rollup.first)
        let rounding = 1e-12 * (abs(rollup.first) + abs(rollup.last) + abs(rollup.increase))
        guard rounding.isFinite, rollup.first >= 0 else { return false }
        buffer.append(rollup.stamp, rollup.first, weight: rollup.count)
        if abs(lost) <= rounding {
            guard rollup.last >= rollup.first else { return false }
        } else {
            // What a counter stood at before it fell is at least what it began with.
            guard lost >= rollup.first - rounding else { return false }
            buffer.append(rollup.stamp, max(lost, rollup.first), weight: 0)
            buffer.append(rollup.stamp, 0, weight: 0)
        }
        buffer.append(rollup.stamp, rollup.last, weight: 0)
        return true
    }
}

extension KeptPlan.Edges {
    /// Whether the first and the last that each window holds are samples.
    /// - Parameters:
    ///   - rollups: ascending; each lies within a window or outside as a whole.
    ///   - times: of samples, ascending.
    fileprivate func areSamples(_ rollups: [Rollup], _ times: [Int64]) -> Bool {
        var (rolledAfter, after, rolledThrough, through) = (0, 0, 0, 0)
        for index in 0..<count {
            let begin = start(index)
            let end = begin + width
            while rolledAfter < rollups.count, rollups[rolledAfter].stamp <= begin { rolledAfter += 1 }
            while after < times.count, times[after] <= begin { after += 1 }
            while rolledThrough < rollups.count, rollups[rolledThrough].stamp <= end { rolledThrough += 1 }
            while through < times.count, times[through] <= end { through += 1 }
            guard rolledAfter < rolledThrough else { continue }
            guard after < through, times[after] < rollups[rolledAfter].stamp,
                times[through - 1] > rollups[rolledThrough - 1].stamp
            else { return false }
        }
        return true
    }
}
