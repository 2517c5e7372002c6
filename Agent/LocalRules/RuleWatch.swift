package import Telemetry

/// One rule over the samples as they come: inactive, pending, firing.
///
/// It fires once, with the first of its series, and is resolved when none fires any more. Pure: times are those of the
/// samples, milliseconds since 1970. What odd data means:
/// * NaN and infinities say nothing: what is pending begins anew, what fires goes on.
/// * A series without a sample for three of its intervals (15 s at least) says nothing either; what fires ends after
///   5 min of that, with the time of the last value.
/// * After a gap, or a step of the clock (of 15 s back at least), what is pending begins anew; an open finding stays and
///   never ends before it began.
package struct RuleWatch: Sendable {
    /// Of each operand. Beyond it series give way that were not seen for 5 min, else new ones are left out and counted.
    package static let seriesMax = 64
    package static let involvedMax = Finding.contributorsMax

    package enum State: Int, Sendable { case inactive = 0, pending, firing }
    package enum Side: Int, Sendable { case left = 0, right }

    /// What fires, or fired.
    package struct Report: Sendable, Equatable {
        /// When the comparison began to hold.
        package var since: Int64
        package var until: Int64?
        /// The one furthest beyond the threshold, and when it was there.
        package var value: Double
        package var peakAt: Int64
        /// Looks at which it fired.
        package var count: UInt32
        /// The first that fired.
        package var involved: [SeriesKey]

        package init(
            since: Int64, until: Int64? = nil, value: Double, peakAt: Int64, count: UInt32, involved: [SeriesKey]
        ) {
            self.since = since
            self.until = until
            self.value = value
            self.peakAt = peakAt
            self.count = count
            self.involved = involved
        }
    }

    package enum Change: Sendable, Equatable {
        case fired(Report)
        case resolved(Report)
    }

    package let rule: LocalRule
    package private(set) var open: Report?
    package private(set) var unwatchedCount = 0
    /// Grows when places are given anew.
    package private(set) var placesEpoch: UInt32 = 0
    private var series: [[RuleSeries]]
    private var places: [[SeriesKey: Int]]
    /// Right series by their labels without the name.
    private var partners: [SeriesKey: Int] = [:]
    private var whole = RuleElement()
    private var nextRoomSearch = Int64.min
    /// Left firing by an earlier start; its series may not be there yet.
    private var adopted: (involved: Set<SeriesKey>, since: Int64, firstLook: Int64?)?

    package init(_ rule: LocalRule) {
        self.rule = rule
        let count = rule.expression.operands.count
        series = Array(repeating: [], count: count)
        places = Array(repeating: [:], count: count)
    }

    /// Goes on with what an earlier start left firing.
    package mutating func adopt(_ report: Report) {
        open = report
        if rule.expression.isSingle {
            whole = .firing(since: report.since)
        }
        adopted = (Set(report.involved), report.since, nil)
    }

    package var seriesCount: Int { series.reduce(0) { $0 + $1.count } }

    /// Of the series and the whole, as of the last look.
    package var state: State {
        if open != nil { return .firing }
        if rule.expression.isSingle { return whole.heldSince == nil ? .inactive : .pending }
        return series[0].contains { $0.element.heldSince != nil } ? .pending : .inactive
    }

    // MARK: Samples

    /// Which sides look at a series.
    package func sides(of key: SeriesKey) -> [Side] {
        zip([Side.left, .right], rule.expression.operands).filter { $1.selector.matches(key) }.map { $0.0 }
    }

    /// The place of a series, good while ``placesEpoch`` stays.
    /// - Returns: nil when there is no room.
    package mutating func place(of key: SeriesKey, _ side: Side, at time: Int64) -> Int? {
        if let known = places[side.rawValue][key] { return known }
        if series[side.rawValue].count >= Self.seriesMax, !makeRoom(at: time) {
            unwatchedCount &+= 1
            return nil
        }
        return insert(RuleSeries(key, rateWindow: rule.expression.operands[side.rawValue].rateWindow), side)
    }

    private mutating func insert(_ new: RuleSeries, _ side: Side) -> Int {
        var new = new
        let place = series[side.rawValue].count
        if side == .left, let adopted, adopted.involved.contains(new.key), !rule.expression.isSingle {
            new.element = .firing(since: adopted.since)
        }
        if side == .right { partners[Self.withoutName(new.key)] = place }
        places[side.rawValue][new.key] = place
        series[side.rawValue].append(new)
        return place
    }

    /// Drops what was not seen for long; looked for once a minute, so that a flood of series does not look each time.
    private mutating func makeRoom(at time: Int64) -> Bool {
        guard time >= nextRoomSearch || nextRoomSearch - time > 60_000 else { return false }
        nextRoomSearch = time + 60_000
        let before = series
        func isGone(_ series: RuleSeries) -> Bool {
            !series.element.isFiring && (time &- series.lastAt).magnitude > RuleElement.goneMilliseconds.magnitude
        }
        guard before.contains(where: { $0.contains(where: isGone) }) else { return false }
        placesEpoch &+= 1
        partners = [:]
        for (side, list) in before.enumerated() {
            series[side] = []
            places[side] = [:]
            for kept in list where !isGone(kept) {
                let element = kept.element
                let place = insert(kept, side == 0 ? .left : .right)
                series[side][place].element = element
            }
        }
        return series.allSatisfy { $0.count < Self.seriesMax }
    }

    /// - Parameter interval: milliseconds until the next sample, as far as known.
    package mutating func add(_ value: Double, at time: Int64, interval: Int64, _ side: Side, place: Int) {
        guard series[side.rawValue].indices.contains(place) else { return }
        series[side.rawValue][place].add(value, at: time, interval: interval)
    }

    private static func withoutName(_ key: SeriesKey) -> SeriesKey {
        SeriesKey(canonical: key.labels.filter { $0.name != SeriesKey.nameLabel })
    }

    // MARK: Judging

    /// - Parameter time: of the samples added last.
    /// - Complexity: O(series).
    package mutating func evaluate(at time: Int64) -> Change? {
        var ended: Int64?
        var firing: [Firing] = []
        let rule = rule
        func judge(_ element: RuleElement, _ key: SeriesKey?, _ value: Double?, fresh: Int64) -> RuleElement {
            var element = element
            if let end = element.judge(value, at: time, rule, freshMilliseconds: fresh) {
                ended = max(ended ?? end, end)
            }
            if element.isFiring { firing.append(Firing(key: key, value: value, since: element.heldSince ?? time)) }
            return element
        }
        if rule.expression.isSingle {
            whole = judge(whole, series[0].first?.key, wholeValue(at: time), fresh: wholeFreshMilliseconds)
        } else {
            for place in series[0].indices {
                let one = series[0][place]
                series[0][place].element = judge(
                    one.element, one.key, value(place, at: time), fresh: one.freshMilliseconds)
            }
        }
        return firing.isEmpty ? resolve(ended, time) : fire(firing, time)
    }

    private struct Firing {
        var key: SeriesKey?
        var value: Double?
        var since: Int64
    }

    private mutating func fire(_ firing: [Firing], _ time: Int64) -> Change? {
        let wasOpen = open != nil
        var report =
            open
            ?? Report(
                since: firing.map(\.since).min() ?? time, value: .nan, peakAt: time, count: 0, involved: [])
        report.count &+= 1
        for entry in firing {
            if let value = entry.value,
                !report.value.isFinite || rule.condition?.isFurther(value, than: report.value) ?? false
            {
                report.value = value
                report.peakAt = time
            }
            guard let key = entry.key, report.involved.count < Self.involvedMax, !report.involved.contains(key) else {
                continue
            }
            report.involved.append(key)
        }
        open = report
        return wasOpen ? nil : .fired(report)
    }

    private mutating func resolve(_ ended: Int64?, _ time: Int64) -> Change? {
        guard var report = open else { return nil }
        // What an earlier start left firing has until then to show itself again.
        if var left = adopted, ended == nil {
            let first = left.firstLook ?? time
            left.firstLook = min(first, time)
            adopted = left
            guard time - first > RuleElement.goneMilliseconds else { return nil }
            report.until = max(report.since, first)
        } else {
            report.until = max(report.since, ended ?? time)
        }
        open = nil
        adopted = nil
        return .resolved(report)
    }

    private func value(_ place: Int, at time: Int64) -> Double? {
        guard let left = series[0][place].current(at: time) else { return nil }
        guard case .ratio = rule.expression else { return left }
        guard let partner = partners[Self.withoutName(series[0][place].key)] else { return nil }
        return series[1][partner].current(at: time).flatMap { Self.ratio(left, $0) }
    }

    private static func ratio(_ left: Double, _ right: Double) -> Double? {
        let ratio = left / right
        return ratio.isFinite ? ratio : nil
    }

    private func wholeValue(at time: Int64) -> Double? {
        if case .absent = rule.expression { return series[0].contains { $0.isFresh(at: time) } ? 0 : 1 }
        var sums: [Double] = []
        for list in series {
            let values = list.compactMap { $0.current(at: time) }
            guard !values.isEmpty else { return nil }
            sums.append(values.reduce(0, +))
        }
        let value = sums.count == 2 ? Self.ratio(sums[0], sums[1]) : sums[0]
        return value.flatMap { $0.isFinite ? $0 : nil }
    }

    private var wholeFreshMilliseconds: Int64 {
        series.joined().map(\.freshMilliseconds).max() ?? RuleSeries.freshMillisecondsMin
    }
}
