/// Which rollups may stand for the samples of each window of level 1, given where a query looks.
///
/// The query's windows begin and end at edges: what is at an edge belongs to the window that ends there. A tier whose
/// stretches none of the edges cuts adds up to what the samples add up to; so each window of level 1 is answered by the
/// widest tier that its edges leave whole, and by samples where there is none.
package struct RollupChoice: Sendable {
    /// Windows of level 1 that a choice is made for, some 4.5 years; longer queries read samples.
    package static let windowsMax: Int64 = 20_000

    /// Of the first one, in windows since 1970.
    let firstWindow: Int64
    /// By window; nil: samples.
    private(set) var tiers: [RollupTier?]

    /// - Parameters:
    ///   - range: what is read, milliseconds.
    ///   - edges: of the query's windows, those outside the range too; in any order.
    ///   - available: tiers, narrowest first.
    ///   - readsAroundEdges: the samples next to each edge are wanted themselves.
    ///   - closedBefore: windows that end later are not rolled up yet.
    /// - Returns: nil when samples answer everything.
    package init?(
        _ range: ClosedRange<Int64>, edges: some Sequence<Int64>, available: [RollupTier], readsAroundEdges: Bool,
        closedBefore: Int64
    ) {
        let low = Self.window(of: range.lowerBound)
        let high = min(Self.window(of: range.upperBound), Self.window(of: closedBefore) - 1)
        guard high >= low, high - low < Self.windowsMax, let widest = available.last else { return nil }
        firstWindow = low
        tiers = Array(repeating: widest, count: Int(high - low) + 1)
        for edge in edges {
            if readsAroundEdges {
                for time in [edge - 1, edge, edge + 1] { set(Self.window(of: time), nil) }
            } else {
                narrow(edge, available)
            }
        }
        guard tiers.contains(where: { $0 != nil }) else { return nil }
    }

    static func window(of time: Int64) -> Int64 { RollupTier.floor(time, StoreLimits.windowMilliseconds) }

    private mutating func set(_ window: Int64, _ tier: RollupTier?) {
        guard window >= firstWindow, window - firstWindow < Int64(tiers.count) else { return }
        tiers[Int(window - firstWindow)] = tier
    }

    private mutating func narrow(_ edge: Int64, _ available: [RollupTier]) {
        let window = Self.window(of: edge)
        guard window >= firstWindow, window - firstWindow < Int64(tiers.count) else { return }
        // At its first and its last instant no stretch of a window is cut.
        let within = edge - window * StoreLimits.windowMilliseconds
        guard within > 0, within < StoreLimits.windowMilliseconds - 1 else { return }
        let index = Int(window - firstWindow)
        while let tier = tiers[index], within % tier.width != 0 {
            tiers[index] = available.last { $0.width < tier.width }
        }
    }
}
