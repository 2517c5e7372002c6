/// Which cells teach a detector: what alarms is judged and not learnt as normal while it lasts, so that the same trouble
/// is told when it comes again. A detector that does not learn a cell goes on from the last one that it learnt: during the
/// trouble each cell is compared with what was before, and the first calm one is calm at once.
///
/// Bounded: of the cells that are left out there is a store, which fills slowly. When it is empty all is learnt, so that
/// what changes for good is accepted as the new normal, and so is what comes again and again. 8 bytes.
package struct LearningHold: Sendable, Equatable {
    /// Cells that may be left out in one go: 400 s of ten-second cells.
    package static let cellsMax: Float = 40
    /// What each learnt cell adds to the store: four and a bit in a day, less than what a minute's trouble each day takes.
    static let refill: Float = 0.0005
    /// Cells that wait, once one alone would alarm, for others that agree (`AlarmPolicy.recentMax` with this one).
    static let waitingMax = AlarmPolicy.recentMax - 1

    /// Cells that may still be left out.
    var left = cellsMax
    /// Cells that wait to be learnt.
    var waiting: UInt8 = 0
    /// There is trouble, which is not learnt.
    package private(set) var isOn = false

    package init() {}

    init(left: Float, waiting: UInt8, isOn: Bool) { (self.left, self.waiting, self.isOn) = (left, waiting, isOn) }

    /// What is to be done with a cell.
    package enum Step: Equatable {
        case learn
        /// The waiting ones first, in their order.
        case learnAll
        /// With those that wait.
        case wait
        /// Neither this one nor those that wait.
        case leaveOut
    }

    /// - Parameters:
    ///   - isAnomalous: the anomaly bit of the cell.
    ///   - policy: that has seen the cell.
    package mutating func step(isAnomalous: Bool, _ policy: AlarmPolicy) -> Step {
        if isOn, isAnomalous, left >= 1 {
            left -= 1
            return .leaveOut
        }
        let goesOn = isOn
        isOn = false
        if !goesOn, left >= 1 {
            if policy.isAgreed {
                left = max(0, left - 1 - Float(waiting))
                (waiting, isOn) = (0, true)
                return .leaveOut
            }
            if waiting >= Self.waitingMax {
                waiting = 0
                return .learnAll
            }
            if waiting > 0 || policy.isAbove {
                waiting += 1
                return .wait
            }
        }
        left = min(Self.cellsMax, left + Self.refill)
        return .learn
    }
}
