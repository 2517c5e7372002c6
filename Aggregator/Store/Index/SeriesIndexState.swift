import Telemetry

/// The columns and postings behind ``SeriesIndex``; its lock guards them.
struct SeriesIndexState: Sendable {
    static let hourMilliseconds: Int64 = 3_600_000
    private(set) var symbols = SymbolTable()
    private(set) var ids: [UInt32] = []
    private(set) var firsts: [Int64] = []
    private(set) var lasts: [Int64] = []
    private(set) var agents: [AgentNumber] = []
    private var types: [UInt8] = []
    private var labelEnds: [UInt32] = []
    private(set) var packed: [PackedLabel] = []
    private var byHash: [Int: UInt32] = [:]
    private(set) var postings: [PackedLabel: [UInt32]] = [:]
    private(set) var valuesByName: [UInt32: [UInt32]] = [:]
    /// Agents beside the first one of a series that have samples of it, too.
    private(set) var sharers: [UInt32: [AgentNumber]] = [:]
    private var nextID: UInt32 = 1
    private var savedSymbols = 0
    private var replacesAll = false
    private var dirty = Set<UInt32>()

    static func position(of id: UInt32, in ids: [UInt32]) -> Int? {
        guard let first = ids.first, id >= first else { return nil }
        // Without holes the position is the distance from the first; with holes it is below that.
        var low = 0
        var high = min(ids.count - 1, Int(id - first))
        while low <= high {
            let middle = ids[high] == id ? high : (low + high) / 2
            if ids[middle] == id { return middle }
            if ids[middle] < id { low = middle + 1 } else { high = middle - 1 }
        }
        return nil
    }

    /// The position of the first id that is not below `id`.
    private static func insertion(of id: UInt32, in ids: [UInt32]) -> Int {
        var low = 0
        var high = ids.count
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func span(_ position: Int) -> Range<Int> {
        (position == 0 ? 0 : Int(labelEnds[position - 1]))..<Int(labelEnds[position])
    }

    func labels(of id: SeriesID, _ body: (PackedLabel) -> Void) {
        guard let position = Self.position(of: id.rawValue, in: ids) else { return }
        for index in span(position) { body(packed[index]) }
    }

    /// The raw value of a series' metric type.
    func type(of id: SeriesID) -> Int {
        Self.position(of: id.rawValue, in: ids).map { min(Int(types[$0]), MetricType.allCases.count - 1) } ?? 0
    }

    func key(_ id: SeriesID) -> SeriesKey {
        Self.position(of: id.rawValue, in: ids).map(key(at:)) ?? SeriesKey(labels: [])
    }

    private func key(at position: Int) -> SeriesKey {
        SeriesKey(canonical: packed[span(position)].map { Label(symbols[$0.name], symbols[$0.value]) })
    }

    func entry(_ id: SeriesID) -> SeriesIndex.Entry? {
        guard let position = Self.position(of: id.rawValue, in: ids) else { return nil }
        return SeriesIndex.Entry(
            id: id, agent: agents[position],
            descriptor: SeriesDescriptor(
                key: key(at: position), type: MetricType(rawValue: types[position]) ?? .unknown),
            first: Timestamp(milliseconds: firsts[position]), last: Timestamp(milliseconds: lasts[position]))
    }

    // MARK: Registration

    func find(_ key: SeriesKey) -> SeriesID? {
        var labels: [PackedLabel] = []
        labels.reserveCapacity(key.labels.count)
        for label in key.labels {
            guard let name = symbols.number(of: label.name), let value = symbols.number(of: label.value) else {
                return nil
            }
            labels.append(PackedLabel(name: name, value: value))
        }
        var slot = labels.hashValue
        while let id = byHash[slot] {
            if let position = Self.position(of: id, in: ids), packed[span(position)].elementsEqual(labels) {
                return SeriesID(id)
            }
            slot = slot &+ 1
        }
        return nil
    }

    mutating func add(_ key: SeriesKey, _ type: MetricType, agent: AgentNumber) -> SeriesID {
        if let known = find(key) {
            // Whoever sends it may have learnt its type since.
            if type != .unknown, let position = Self.position(of: known.rawValue, in: ids), types[position] == 0 {
                types[position] = type.rawValue
                dirty.insert(known.rawValue)
            }
            return known
        }
        guard nextID < .max else { return .none }
        let id = nextID
        append(id: id, key, type, agent: agent, first: .max, last: .min)
        dirty.insert(id)
        return SeriesID(id)
    }

    mutating func restore(
        id: SeriesID, _ key: SeriesKey, _ type: MetricType, agent: AgentNumber, first: Timestamp, last: Timestamp
    ) {
        guard Self.position(of: id.rawValue, in: ids) == nil, find(key) == nil else { return }
        append(id: id.rawValue, key, type, agent: agent, first: first.milliseconds, last: last.milliseconds)
    }

    private mutating func append(
        id: UInt32, _ key: SeriesKey, _ type: MetricType, agent: AgentNumber, first: Int64, last: Int64
    ) {
        let labels = key.labels.map { PackedLabel(name: symbols.intern($0.name), value: symbols.intern($0.value)) }
        precondition(ids.last.map { $0 < id } ?? true, "series ids ascend: \(id) after \(ids.last ?? 0)")
        ids.append(id)
        agents.append(agent)
        types.append(type.rawValue)
        firsts.append(first)
        lasts.append(last)
        packed.append(contentsOf: labels)
        labelEnds.append(UInt32(packed.count))
        link(id, labels)
        reserve(through: id)
    }

    mutating func reserve(through id: UInt32) { nextID = max(nextID, id < .max ? id + 1 : .max) }

    private mutating func link(_ id: UInt32, _ labels: [PackedLabel]) {
        var slot = labels.hashValue
        while byHash[slot] != nil { slot = slot &+ 1 }
        byHash[slot] = id
        for label in labels {
            if postings[label] == nil { valuesByName[label.name, default: []].append(label.value) }
            postings[label, default: []].append(id)
        }
    }

    mutating func share(_ id: SeriesID, with agent: AgentNumber) {
        guard let position = Self.position(of: id.rawValue, in: ids), agents[position] != agent,
            !(sharers[id.rawValue]?.contains(agent) ?? false)
        else { return }
        sharers[id.rawValue, default: []].append(agent)
    }

    mutating func touch(_ touched: [SeriesID], _ range: ClosedRange<Timestamp>) {
        let first = Self.hourStart(range.lowerBound.milliseconds)
        let last = Self.hourStart(range.upperBound.milliseconds).addingReportingOverflow(Self.hourMilliseconds - 1)
        for id in touched {
            guard let position = Self.position(of: id.rawValue, in: ids) else { continue }
            widen(position, first, last.overflow ? .max : last.partialValue)
        }
    }

    private mutating func widen(_ position: Int, _ first: Int64, _ last: Int64) {
        guard first < firsts[position] || last > lasts[position] else { return }
        firsts[position] = min(firsts[position], first)
        lasts[position] = max(lasts[position], last)
        dirty.insert(ids[position])
    }

    /// Widens the bounds of those series in a range of ids that an agent has samples of.
    mutating func touch(_ touched: ClosedRange<UInt32>, of agent: AgentNumber, _ range: ClosedRange<Int64>) {
        var position = Self.insertion(of: touched.lowerBound, in: ids)
        while position < ids.count, ids[position] <= touched.upperBound {
            if agents[position] == agent || sharers[ids[position]]?.contains(agent) ?? false {
                widen(position, range.lowerBound, range.upperBound)
            }
            position += 1
        }
    }

    mutating func clip(_ clipped: [SeriesID], _ range: ClosedRange<Int64>) {
        for id in clipped {
            guard let position = Self.position(of: id.rawValue, in: ids) else { continue }
            let (first, last) = (firsts[position], lasts[position])
            guard first <= last, range.lowerBound <= last, range.upperBound >= first else { continue }
            // The bounds are those of whole hours.
            if range.lowerBound <= first, range.upperBound >= last {
                (firsts[position], lasts[position]) = (.max, .min)
            } else if range.lowerBound <= first {
                firsts[position] = Self.hourStart(range.upperBound)
            } else if range.upperBound >= last {
                lasts[position] = Self.hourStart(range.lowerBound) + Self.hourMilliseconds - 1
            } else {
                continue
            }
            dirty.insert(id.rawValue)
        }
    }

    func bounds(of chosen: [SeriesID]) -> ClosedRange<Timestamp>? {
        var (first, last) = (Int64.max, Int64.min)
        for id in chosen {
            guard let position = Self.position(of: id.rawValue, in: ids) else { continue }
            first = min(first, firsts[position])
            last = max(last, lasts[position])
        }
        return first <= last ? Timestamp(milliseconds: first)...Timestamp(milliseconds: last) : nil
    }

    func agent(of id: SeriesID) -> AgentNumber? { Self.position(of: id.rawValue, in: ids).map { agents[$0] } }

    static func hourStart(_ milliseconds: Int64) -> Int64 {
        let rest = milliseconds % hourMilliseconds
        let (start, overflow) = milliseconds.subtractingReportingOverflow(rest < 0 ? rest + hourMilliseconds : rest)
        return overflow ? .min : start
    }

    // MARK: Removal

    mutating func removeAll(endedBefore time: Int64) -> [SeriesID] {
        // A series without a sample yet (its table came before its first block) is new, not ended.
        remove(ids.indices.map { firsts[$0] <= lasts[$0] && lasts[$0] < time })
    }

    /// - Parameter candidates: ascending; nil: all.
    mutating func removeUnused(of candidates: [UInt32]?) -> [SeriesID] {
        remove(
            ids.indices.map { position in
                firsts[position] > lasts[position]
                    && (candidates.map { Self.position(of: ids[position], in: $0) != nil } ?? true)
            })
    }

    /// - Parameter leaves: by position.
    private mutating func remove(_ leaves: [Bool]) -> [SeriesID] {
        let removed = ids.indices.filter { leaves[$0] }.map { SeriesID(ids[$0]) }
        guard !removed.isEmpty else { return [] }
        var fresh = SeriesIndexState()
        // Symbols keep their numbers, since rows on disk name them.
        fresh.symbols = symbols
        for position in ids.indices where !leaves[position] {
            fresh.ids.append(ids[position])
            fresh.agents.append(agents[position])
            fresh.types.append(types[position])
            fresh.firsts.append(firsts[position])
            fresh.lasts.append(lasts[position])
            let labels = Array(packed[span(position)])
            fresh.packed.append(contentsOf: labels)
            fresh.labelEnds.append(UInt32(fresh.packed.count))
            fresh.link(ids[position], labels)
        }
        fresh.nextID = nextID
        fresh.sharers = sharers
        for id in removed { fresh.sharers[id.rawValue] = nil }
        fresh.savedSymbols = savedSymbols
        fresh.replacesAll = replacesAll
        fresh.dirty = dirty.subtracting(removed.map(\.rawValue))
        self = fresh
        return removed
    }

    /// Texts below this many are not worth the work.
    static let unusedTextsMin = 1000

    mutating func dropUnusedTexts() -> Bool {
        var used = Set<UInt32>()
        for label in packed {
            used.insert(label.name)
            used.insert(label.value)
        }
        let unused = symbols.texts.count - used.count
        guard unused >= Self.unusedTextsMin, unused > used.count else { return false }
        var fresh = SeriesIndexState()
        for position in ids.indices {
            let labels = packed[span(position)].map {
                PackedLabel(
                    name: fresh.symbols.intern(symbols[$0.name]), value: fresh.symbols.intern(symbols[$0.value]))
            }
            fresh.ids.append(ids[position])
            fresh.packed.append(contentsOf: labels)
            fresh.labelEnds.append(UInt32(fresh.packed.count))
            fresh.link(ids[position], labels)
        }
        (fresh.agents, fresh.types, fresh.firsts, fresh.lasts) = (agents, types, firsts, lasts)
        fresh.nextID = nextID
        fresh.sharers = sharers
        fresh.replacesAll = true
        fresh.dirty = Set(ids)
        self = fresh
        return true
    }

    // MARK: Lookup

    func postings(for matcher: LabelMatcher) -> MatchedPostings {
        let acceptsAbsent = matcher.isSatisfied(by: "")
        guard let name = symbols.number(of: matcher.name), let values = valuesByName[name] else {
            return MatchedPostings(lists: [], isNegated: acceptsAbsent)
        }
        if !acceptsAbsent, let candidates = matcher.candidateValues {
            let lists = candidates.compactMap { value in
                symbols.number(of: value).flatMap { postings[PackedLabel(name: name, value: $0)] }
            }
            return MatchedPostings(lists: lists, isNegated: false)
        }
        // A matcher that an absent label satisfies is applied by removing the series that fail it.
        let lists = values.filter { matcher.isSatisfied(by: symbols[$0]) != acceptsAbsent }
            .compactMap { postings[PackedLabel(name: name, value: $0)] }
        return MatchedPostings(lists: lists, isNegated: acceptsAbsent)
    }

    // MARK: Saving

    mutating func takeUnsaved() -> UnsavedIndex {
        var unsaved = UnsavedIndex()
        unsaved.symbolBase = savedSymbols
        unsaved.nextID = nextID
        unsaved.replacesAll = replacesAll
        replacesAll = false
        unsaved.symbols = symbols.texts[savedSymbols...].enumerated().map {
            (UInt32(savedSymbols + $0.offset), $0.element)
        }
        savedSymbols = symbols.texts.count
        for id in dirty.sorted() {
            guard let position = Self.position(of: id, in: ids) else { continue }
            unsaved.rows.append(
                UnsavedIndex.Row(
                    id: id, agent: agents[position], type: MetricType(rawValue: types[position]) ?? .unknown,
                    first: firsts[position], last: lasts[position], labels: Array(packed[span(position)])))
        }
        dirty.removeAll()
        return unsaved
    }

    mutating func markUnsaved(_ id: SeriesID) { dirty.insert(id.rawValue) }

    mutating func returnUnsaved(_ unsaved: UnsavedIndex) {
        savedSymbols = min(savedSymbols, unsaved.symbolBase)
        replacesAll = replacesAll || unsaved.replacesAll
        dirty.formUnion(unsaved.rows.map(\.id))
    }

    /// Symbols as read from disk, in the order of their numbers; those count as saved.
    mutating func restoreSymbols(_ texts: [String]) {
        for text in texts { _ = symbols.intern(text) }
        savedSymbols = symbols.texts.count
    }
}
