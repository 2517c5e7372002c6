/// What one tenant's ingest did with what it was given; everything dropped has a reason.
package struct IngestStatistics: Hashable, Sendable {
    /// Why a message was forgotten without an acknowledgement. The agent sends it again.
    package enum Drop: Int, Sendable, CaseIterable {
        /// Too much waits for the disk.
        case commitFull = 0
        /// The lane would need more than its bound of ranges.
        case rangesFull
        /// The agent started too often today.
        case epochsFull
        /// More agents than a tenant may have.
        case agentsFull
        /// The series table did not come in time, or too much waits for tables.
        case tableMissing
        /// Its data key is not here.
        case keyMissing
        package var name: String {
            switch self {
            case .commitFull: "commit-full"
            case .rangesFull: "ranges-full"
            case .epochsFull: "epochs-full"
            case .agentsFull: "agents-full"
            case .tableMissing: "table-missing"
            case .keyMissing: "key-missing"
            }
        }
    }
    package var received: UInt64 = 0
    package var accepted: UInt64 = 0
    package var duplicates: UInt64 = 0
    package var rejectedFinal: UInt64 = 0
    package var rejectedRetry: UInt64 = 0
    package var dropped = [UInt64](repeating: 0, count: Drop.allCases.count)
    package var staleBirths: UInt64 = 0
    package var staleStates: UInt64 = 0
    package var clones: UInt64 = 0
    package var rewound: UInt64 = 0
    package var commits: UInt64 = 0
    package var failedCommits: UInt64 = 0

    package init() {}
    package subscript(drop: Drop) -> UInt64 {
        get { dropped[drop.rawValue] }
        set { dropped[drop.rawValue] = newValue }
    }
}
