#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// From evidence to the few moments worth waking someone for: a gate, a threshold that knows how often it is asked,
/// k cells that agree, a rest after each alarm, and more to be asked of a series that alarms often.
package struct AlarmPolicy: Sendable, Equatable {
    /// Evidence that alarms when a cell is five minutes or more: the members' mean of -log10(tail).
    package static let evidenceMin: Float = 2.0
    /// How much more evidence a cell of a tenth of the length asks for. It is asked ten times as often, which is 1; the
    /// rest keeps noise that is correlated or heavy-tailed quiet in cells of ten seconds (measured on 28 days of either:
    /// none, and one alarm).
    static let rarity: Float = 1.7
    /// Cells before the first alarm.
    static let cellsMin: UInt32 = 150
    /// Fine cells before what is extreme alarms, and before what is rare does: of that, tails know too little earlier.
    static let fineExtremeMin: UInt32 = 120
    static let fineCellsMin: UInt32 = 150
    /// Cells of rest after an alarm; fine ones: ten minutes of ten seconds, longer than trouble can be kept from being
    /// learnt.
    static let rest: UInt32 = 100
    static let fineRest: UInt32 = 60
    /// Cells shorter than this are fine ones.
    package static let fineMilliseconds: Int64 = 60_000
    /// Evidence that breaks the rest, in multiples of the last alarm's: a small alarm must not hide a great one.
    static let greater: Float = 3
    /// An alarm raises the threshold by this share of it; of the rise, all but 1/e is gone after `calmCells`. Of fine
    /// cells by half as much, for after their longer rest the same trouble is to be told again.
    static let riseShare: Float = 0.5
    static let fineRiseShare: Float = 0.25
    static let calmCells: Float = 350
    static let referenceMilliseconds: Float = 300_000
    /// An alarm needs this much time of agreeing cells, at most `recentMax` of them.
    static let agreementMilliseconds: Int64 = 60_000
    static let recentMax = 4

    var cells: UInt32 = 0
    var lastAlarm: UInt32 = 0
    var hasAlarmed = false
    /// Evidence of the last alarm.
    var lastEvidence: Float = 0
    /// By how much of itself the threshold is raised now.
    var rise: Float = 0
    /// Evidence of the last cells, the newest first.
    var recent = SIMD4<Float>(repeating: 0)
    /// The last cell's evidence lies above the threshold.
    private(set) var isAbove = false
    /// And as many cells agree as an alarm needs, which the rest after another may have kept back.
    private(set) var isAgreed = false

    /// - Parameter cells: that count as seen already.
    package init(cells: UInt32 = 0) { self.cells = cells }

    /// Evidence that alarms at cells of this length: asked thirty times as often, thirty times rarer.
    package static func threshold(cellMilliseconds: Int64) -> Float {
        evidenceMin + max(0, rarity * log10f(referenceMilliseconds / Float(max(1, cellMilliseconds))))
    }

    /// Whether an alarm begins with this cell.
    /// - Parameter extreme: evidence that the cell is beyond everything met before, which counts earlier.
    package mutating func observe(_ evidence: Float, extreme: Float = 0, cellMilliseconds: Int64) -> Bool {
        cells &+= 1
        let isFine = cellMilliseconds < Self.fineMilliseconds
        let isEarly = isFine && cells <= Self.fineCellsMin
        let evidence = isEarly ? extreme : max(evidence, extreme)
        for entry in stride(from: Self.recentMax - 1, to: 0, by: -1) { recent[entry] = recent[entry - 1] }
        recent[0] = evidence
        rise *= 1 - 1 / Self.calmCells
        (isAbove, isAgreed) = (false, false)
        guard cells > (isFine ? Self.fineExtremeMin : Self.cellsMin) else { return false }
        let threshold = Self.threshold(cellMilliseconds: cellMilliseconds) * (1 + rise)
        let needed = Int(min(3, max(1, Self.agreementMilliseconds / max(1, cellMilliseconds))))
        let window = needed == 1 ? 1 : min(Self.recentMax, needed + 1)
        var agreeing = 0
        for entry in 0..<window where recent[entry] > threshold { agreeing += 1 }
        isAbove = evidence > threshold
        isAgreed = isAbove && agreeing >= needed
        let isResting = hasAlarmed && cells &- lastAlarm <= (isFine ? Self.fineRest : Self.rest)
        guard isAgreed, !isResting || evidence > Self.greater * lastEvidence else { return false }
        lastAlarm = cells
        lastEvidence = evidence
        hasAlarmed = true
        rise += isFine ? Self.fineRiseShare : Self.riseShare
        return true
    }
}
