/// A level above the chunks: how wide its stretches are and how they lie in files.
package enum RollupTier: String, CaseIterable, Sendable {
    case fiveMinutes = "5m"
    case hour = "1h"

    /// Milliseconds that one rollup stands for.
    package var width: Int64 { self == .fiveMinutes ? 300_000 : 3_600_000 }
    /// Days whose rollups of a slice of series form one group, once its parts are merged.
    var unitDays: Int64 { self == .fiveMinutes ? 1 : 4 }
    /// Of each file.
    static let unitsPerFile: Int64 = 16
    /// Of level 1, in the longest unit.
    static let windowsPerUnitMax: Int64 = 48
    var daysPerFile: Int64 { unitDays * Self.unitsPerFile }
    var filePrefix: String { "rollup-\(rawValue)-" }

    /// The file and the place in it for what a day was rolled up to.
    func place(ofDay day: Int64) -> (file: Int64, unit: Int64) {
        let unit = Self.floor(day, unitDays)
        let file = Self.floor(unit, Self.unitsPerFile)
        return (file, unit - file * Self.unitsPerFile)
    }

    /// The first day after a unit.
    func dayAfter(file: Int64, unit: Int64) -> Int64 { (file * Self.unitsPerFile + unit + 1) * unitDays }

    static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? quotient - 1 : quotient
    }
}
