/// Numbers a series within one tenant's store. Ids are given once, ascending, and never again for other labels.
package struct SeriesID: Hashable, Comparable, Sendable {
    package let rawValue: UInt32
    /// No series: what a series beyond the tenant's bound gets.
    package static let none = SeriesID(0)
    package init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (left: SeriesID, right: SeriesID) -> Bool { left.rawValue < right.rawValue }
}

/// Numbers an agent within one tenant's store.
package typealias AgentNumber = UInt32
