public import Telemetry

/// Streaming metrics derived from listening events the moment they are committed: plays, qualified streams, skips,
/// milliseconds played, start-up failures, concurrent listeners; by territory, tier, device and source.
///
/// Plain state of the engine's thread. Events go through it in three steps, so that an id is remembered only if its
/// event was stored:
///
///     let admission = streams.admit(events)          // repeats out, the rest remembered
///     if buffer.commit(admission.events) { streams.record(admission.events, now: now) }
///     else { streams.withdraw(admission.events) }    // a resubmission is new again
///
/// Bounds (each counted beyond): ``idsMax`` recent event ids, ``combinationsMax`` label combinations, ``listenersMax``
/// concurrent listeners. An event repeated after more than ``idsMax`` others counts twice *here*; the aggregator's
/// count from the events themselves is exact. A revision adds only what it adds: counters never go back, so downward
/// corrections show at the aggregator only (``correctionsIgnoredTotal``).
public struct StreamMetrics: Sendable {
    public static let idsMax = 16_384
    public static let combinationsMax = 256
    public static let listenersMax = 32_768
    /// ANALYTICS.md: a stream qualifies at 30 seconds of audible wall time.
    public static let qualifiedMilliseconds: Int64 = 30_000

    /// What ``admit(_:)`` let through.
    public struct Admission: Sendable {
        public var events: [ListeningEvent]
        public var duplicates: Int
    }

    /// The series so far; append-only, so an index is a lasting handle. Values stand in ``values`` in this order.
    public private(set) var descriptors: [SeriesDescriptor] = []
    public private(set) var values: [Double] = []
    public private(set) var correctionsIgnoredTotal = 0

    private var recent: RecentEvents
    private var labels: StreamLabels
    private var listeners: ConcurrentListeners

    private enum Family: Int, CaseIterable {
        case plays, qualified, skips, playedMilliseconds, startupFailures, concurrentListeners
        var name: String {
            switch self {
            case .plays: "stagebox_stream_plays_total"
            case .qualified: "stagebox_stream_qualified_total"
            case .skips: "stagebox_stream_skips_total"
            case .playedMilliseconds: "stagebox_stream_played_milliseconds_total"
            case .startupFailures: "stagebox_stream_startup_failures_total"
            case .concurrentListeners: "stagebox_stream_concurrent_listeners"
            }
        }
    }
    /// Series that stand once, before those of the combinations.
    private enum Single: Int, CaseIterable {
        case overflow, untracked, corrections
        var name: String {
            switch self {
            case .overflow: "stagebox_stream_label_overflow_events_total"
            case .untracked: "stagebox_stream_untracked_listeners_total"
            case .corrections: "stagebox_stream_ignored_corrections_total"
            }
        }
    }

    // Kept, because `allCases` makes an array each time.
    private static let familyCount = Family.allCases.count
    private static let singleCount = Single.allCases.count

    public init(
        idsMax: Int = Self.idsMax, combinationsMax: Int = Self.combinationsMax, listenersMax: Int = Self.listenersMax
    ) {
        recent = RecentEvents(capacity: idsMax)
        labels = StreamLabels(capacity: combinationsMax)
        listeners = ConcurrentListeners(capacity: listenersMax)
    }

    // MARK: events

    /// Takes out repeats: an id in the window with the same or a higher revision, in the window or in `events` itself.
    public mutating func admit(_ events: [ListeningEvent]) -> Admission {
        var admission = Admission(events: [], duplicates: 0)
        admission.events.reserveCapacity(events.count)
        for event in events {
            if let slot = recent.slot(of: event.id) {
                guard event.revision > recent[slot].revision else {
                    admission.duplicates += 1
                    continue
                }
                recent[slot].revision = event.revision
            } else {
                _ = recent.insert(event.id, revision: event.revision)
            }
            admission.events.append(event)
        }
        return admission
    }

    /// Undoes ``admit(_:)`` for events that could not be stored.
    public mutating func withdraw(_ events: [ListeningEvent]) {
        for event in events {
            guard let slot = recent.slot(of: event.id) else { continue }
            if recent[slot].contribution.isCounted, event.revision > 0 {
                recent[slot].revision = event.revision - 1  // an earlier revision is stored; this one is welcome again
            } else {
                recent.remove(event.id)
            }
        }
    }

    /// Counts admitted events that are stored.
    public mutating func record(_ events: [ListeningEvent], now: Timestamp) {
        for event in events where event.kind == .play { record(play: event, now: now) }
    }

    /// Follows listeners whose play was announced only ("playing now"): moves the gauge, counts nothing.
    public mutating func announce(_ events: [ListeningEvent], now: Timestamp) {
        for event in events { listeners.record(event, combination: combination(of: event), now: now) }
    }

    private mutating func record(play event: ListeningEvent, now: Timestamp) {
        // An id may have left the window already if the request held more events than the window.
        let slot = recent.slot(of: event.id) ?? recent.insert(event.id, revision: event.revision)
        var known = recent[slot].contribution
        if !known.isCounted { known.combination = combination(of: event) }
        let combination = known.combination
        if !known.isCounted { add(1, .plays, combination) }
        let played = event[.millisecondsPlayed] ?? 0
        if played > known.millisecondsPlayed {
            add(Double(played - known.millisecondsPlayed), .playedMilliseconds, combination)
            known.millisecondsPlayed = played
        } else if played < known.millisecondsPlayed {
            correctionsIgnoredTotal += 1
        }
        if played >= Self.qualifiedMilliseconds { count(.qualified, combination, &known.isQualified) }
        if Self.isSkip(event) { count(.skips, combination, &known.isSkip) }
        if (event[.startupMilliseconds] ?? 0) < 0 { count(.startupFailures, combination, &known.isStartupFailure) }
        known.isCounted = true
        recent[slot].contribution = known
        listeners.record(event, combination: combination, now: now)
    }

    /// ANALYTICS.md: ended by a skip forward before 95 % of the track; of unknown length, any skip forward.
    private static func isSkip(_ event: ListeningEvent) -> Bool {
        guard event[.endReason] == "skip_fwd" else { return false }
        guard let track = event[.trackMilliseconds], track > 0 else { return true }
        return Double(event[.millisecondsPlayed] ?? 0) < 0.95 * Double(track)
    }

    // MARK: series

    /// Brings the gauges up to `now`; call it on each tick, then read ``values``.
    /// - Complexity: O(label combinations + listeners that left).
    public mutating func tick(now: Timestamp) {
        guard !descriptors.isEmpty else { return }
        listeners.expire(now: now)
        for (combination, count) in listeners.counts.enumerated() {
            values[index(.concurrentListeners, UInt16(combination))] = Double(count)
        }
        values[Single.overflow.rawValue] = Double(labels.overflowTotal)
        values[Single.untracked.rawValue] = Double(listeners.untrackedTotal)
        values[Single.corrections.rawValue] = Double(correctionsIgnoredTotal)
    }

    /// The value of a series, for tests and status pages.
    public func value(_ name: String, _ label: String = "territory", _ labelValue: String? = nil) -> Double? {
        let matches = descriptors.indices.filter {
            descriptors[$0].key.name == name && (labelValue == nil || descriptors[$0].key[label] == labelValue)
        }
        return matches.isEmpty ? nil : matches.reduce(0) { $0 + values[$1] }
    }

    private mutating func combination(of event: ListeningEvent) -> UInt16 {
        let number = labels.number(of: event)
        if descriptors.isEmpty {
            for single in Single.allCases { append(SeriesKey(name: single.name), .counter) }
        }
        while (descriptors.count - Self.singleCount) / Self.familyCount < labels.combinations.count {
            let next = (descriptors.count - Self.singleCount) / Self.familyCount
            for family in Family.allCases {
                let key = SeriesKey(name: family.name, labels: labels.combinations[next].labels)
                append(key, family == .concurrentListeners ? .gauge : .counter)
            }
        }
        return number
    }

    private mutating func append(_ key: SeriesKey, _ type: MetricType) {
        descriptors.append(SeriesDescriptor(key: key, type: type))
        values.append(0)
    }

    private func index(_ family: Family, _ combination: UInt16) -> Int {
        Self.singleCount + Int(combination) * Self.familyCount + family.rawValue
    }

    private mutating func add(_ amount: Double, _ family: Family, _ combination: UInt16) {
        values[index(family, combination)] += amount
    }

    private mutating func count(_ family: Family, _ combination: UInt16, _ isCounted: inout Bool) {
        if !isCounted { add(1, family, combination) }
        isCounted = true
    }
}
