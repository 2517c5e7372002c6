import Telemetry

/// Where a batch lies in the table `rows`, sixty-four bits:
///
/// | bits  | field |
/// | ----- | ----- |
/// | 63–62 | 0 |
/// | 61–60 | lane (1 alert, 2 live) |
/// | 59–36 | the epoch's ordinal in this file, from 1 |
/// | 35–0  | sequence, from 1 |
///
/// So the order of rows is lane, age, and an acknowledged range is a range of rows; no index is needed.
enum RowID {
    static let sequenceMax: UInt64 = 1 << 36 - 1
    static let ordinalMax: Int64 = 1 << 24 - 1

    static func make(_ lane: LaneID, _ sequence: UInt64) -> Int64 {
        lane.rawValue << 36 | Int64(min(sequence, sequenceMax))
    }
    static func lane(_ row: Int64) -> LaneID { LaneID(rawValue: row >> 36) }
    static func sequence(_ row: Int64) -> UInt64 { UInt64(row & Int64(sequenceMax)) }
    /// All rows of a lane, over all epochs.
    static func range(_ lane: Lane) -> ClosedRange<Int64> {
        let first = Int64(lane.rawValue) << 60
        return first...first + (1 << 60 - 1)
    }
}

/// A lane of an epoch as this file numbers it: lane and ordinal of a `RowID`.
struct LaneID: RawRepresentable, Hashable, Comparable, Sendable {
    let rawValue: Int64
    init(rawValue: Int64) { self.rawValue = rawValue }
    init(_ lane: Lane, ordinal: Int64) { self.init(rawValue: Int64(lane.rawValue) << 24 | ordinal) }
    var ordinal: Int64 { rawValue & RowID.ordinalMax }
    var lane: Lane? { UInt8(exactly: rawValue >> 24).flatMap(Lane.init(rawValue:)) }
    static func < (left: LaneID, right: LaneID) -> Bool { left.rawValue < right.rawValue }

    func rows(_ sequences: ClosedRange<UInt64>) -> ClosedRange<Int64> {
        RowID.make(self, sequences.lowerBound)...RowID.make(self, sequences.upperBound)
    }
    var allRows: ClosedRange<Int64> { rows(0...RowID.sequenceMax) }
}
