/// Of one node and group of metrics: the minutes in which it was strange among its peers, and what follows from them.
///
/// Strange for ``openCount`` of the last ``span`` minutes opens; it stays open until none of that many minutes is even
/// half as strange, or until the node was silent for ``silentMax`` minutes or, heard, not judged for ``unjudgedMax`` (too
/// few peers; or the centre started and is still learning).
package struct StrangeMinutes: Sendable, Hashable {
    package static let span = 5
    package static let openCount = 4
    package static let silentMax = 10
    package static let unjudgedMax = 60
    /// Strength of a group's deviations (``PeerComparison/strength(of:)``) that makes a minute strange.
    package static let threshold: Float = 8
    /// What keeps it open.
    package static let calm: Float = 4

    package enum Change: Sendable, Hashable { case opened, closed }

    private var strange: UInt8 = 0
    private var uneasy: UInt8 = 0
    /// Of ``unjudgedMax``; a silent minute counts for several.
    private var unjudged = 0
    package private(set) var isOpen: Bool

    package init(isOpen: Bool = false) {
        self.isOpen = isOpen
        uneasy = isOpen ? 1 : 0
    }

    /// Minutes ago of the first strange one of the span; 0 is the last.
    package var firstStrange: Int { strange == 0 ? 0 : 7 - strange.leadingZeroBitCount }
    /// Nothing is open and nothing of the span is remembered.
    package var isAtRest: Bool { !isOpen && strange == 0 && uneasy == 0 }

    /// - Parameters:
    ///   - strength: of the group's deviations; nil when none was judged.
    ///   - isHeard: the node sent something.
    package mutating func observe(_ strength: Float?, isHeard: Bool = true) -> Change? {
        let mask: UInt8 = (1 << UInt8(Self.span)) - 1
        guard let strength else {
            unjudged += isHeard ? 1 : Self.unjudgedMax / Self.silentMax
            guard unjudged >= Self.unjudgedMax else { return nil }
            unjudged = 0
            (strange, uneasy) = (0, 0)
            return close()
        }
        unjudged = 0
        strange = (strange << 1 | (strength >= Self.threshold ? 1 : 0)) & mask
        uneasy = (uneasy << 1 | (strength >= Self.calm ? 1 : 0)) & mask
        if !isOpen, strange.nonzeroBitCount >= Self.openCount {
            isOpen = true
            return .opened
        }
        return uneasy == 0 ? close() : nil
    }

    private mutating func close() -> Change? {
        guard isOpen else { return nil }
        isOpen = false
        return .closed
    }
}
