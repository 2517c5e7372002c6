import Telemetry

/// One series that a rule looks at, with its last value.
struct RuleSeries: Sendable {
    /// A value is as good as now for three of its intervals, and for this long at least, in milliseconds.
    static let freshMillisecondsMin: Int64 = 15_000

    let key: SeriesKey
    /// NaN: unknown.
    private(set) var value = Double.nan
    private(set) var lastAt = Int64.min
    private var intervalMilliseconds: Int64 = 0
    private var rate: RateWindow?
    /// Of the series itself, where the rule has a state for each.
    var element = RuleElement()

    init(_ key: SeriesKey, rateWindow: Int64?) {
        self.key = key
        rate = rateWindow.map { RateWindow(window: $0) }
    }

    /// A sample that is late by less than ``freshMillisecondsMin`` is passed over; one that is earlier by more means that
    /// the clock was set back.
    /// - Parameter interval: until the next sample, as far as known.
    mutating func add(_ sample: Double, at time: Int64, interval: Int64) {
        guard time >= lastAt || lastAt - time > Self.freshMillisecondsMin else { return }
        lastAt = time
        intervalMilliseconds = max(0, min(interval, 86_400_000))
        guard rate != nil else {
            value = sample
            return
        }
        rate?.add(sample, at: time)
        value = sample.isFinite ? rate?.rate ?? .nan : .nan
    }

    /// Whether a sample of now is there, whatever its value.
    func isFresh(at time: Int64) -> Bool {
        lastAt != .min && (time &- lastAt).magnitude <= freshMilliseconds.magnitude
    }
    var freshMilliseconds: Int64 { max(Self.freshMillisecondsMin, 3 * intervalMilliseconds) }

    /// nil when it is old, NaN or infinite.
    func current(at time: Int64) -> Double? { isFresh(at: time) && value.isFinite ? value : nil }
}

/// Where one series, or the whole of a rule, stands.
struct RuleElement: Sendable {
    /// Without a value for this long, what fires ends, in milliseconds.
    static let goneMilliseconds: Int64 = 300_000

    /// Since when the comparison holds.
    private(set) var heldSince: Int64?
    private(set) var isFiring = false
    /// When it last had a value; nil before the first, also of what an earlier start left firing.
    private(set) var seenAt: Int64?

    /// As an earlier start of the agent left it.
    static func firing(since: Int64) -> RuleElement {
        var element = RuleElement()
        element.heldSince = since
        element.isFiring = true
        return element
    }

    /// - Parameter value: nil while it has none.
    /// - Returns: when it ended, if it fired until now and does not any more.
    mutating func judge(_ value: Double?, at time: Int64, _ rule: LocalRule, freshMilliseconds: Int64) -> Int64? {
        let last = seenAt ?? time
        // After a step of the clock, or a gap, nobody knows whether it held meanwhile.
        let isBroken = time < last || time - last > freshMilliseconds
        guard let value else {
            seenAt = min(last, time)
            guard isFiring else {
                heldSince = nil
                return nil
            }
            guard time - last > Self.goneMilliseconds else { return nil }
            self = RuleElement()
            return last
        }
        seenAt = time
        if isFiring {
            guard rule.isReleased(by: value) else { return nil }
            self = RuleElement()
            return time
        }
        guard rule.holds(value) else {
            heldSince = nil
            return nil
        }
        if isBroken { heldSince = nil }
        let since = heldSince ?? time
        heldSince = since
        if time - since >= rule.holdMilliseconds { isFiring = true }
        return nil
    }
}
