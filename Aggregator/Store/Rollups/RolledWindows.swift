import SQLite
import Telemetry

/// The windows of level 1 of one agent in which rollups stand for the samples: all samples of the window are rolled up,
/// nothing of it waits in level 0, and the rollups are there.
struct RolledWindows: Sendable {
    private let firstWindow: Int64
    /// By slice, then by window; nil: samples.
    private var tiers: [UInt32: [RollupTier?]] = [:]

    /// - Parameter newest: level 0, listed before, in `range`.
    init(
        _ store: TenantStore, _ agent: AgentNumber, _ choice: RollupChoice, _ newest: NewestSamples,
        _ range: ClosedRange<Int64>
    ) throws {
        let firstWindow = choice.firstWindow
        self.firstWindow = firstWindow
        var chosen = choice.tiers
        newest.forEachWindow(in: range) { window in
            let index = window - firstWindow
            if chosen.indices.contains(Int(clamping: index)) { chosen[Int(index)] = nil }
        }
        guard chosen.contains(where: { $0 != nil }) else { return }
        let covered = try RollupTier.allCases.map { try Self.covered(store, agent, $0, choice) }
        let begin = firstWindow * StoreLimits.windowMilliseconds
        let end = begin + Int64(chosen.count) * StoreLimits.windowMilliseconds - 1
        for day in store.days.days(in: CivilDay.day(of: begin)...CivilDay.day(of: end)) {
            do {
                try store.onDay(day, creating: false) { file in
                    try add(try file.rows(of: agent), of: day, rolled: try file.rolled(of: agent), chosen, covered)
                }
            } catch let error as SQLiteError where error.isDamage {
                continue  // set aside and reported; readers of samples find nothing there either
            }
        }
    }

    private mutating func add(
        _ rows: [DayFile.Row], of day: Int64, rolled: Set<Int64>, _ chosen: [RollupTier?],
        _ covered: [[UInt32: [Bool]]]
    ) throws {
        let waiting = Set(
            rows.lazy.filter { !rolled.contains($0.id) }.map { Place(window: $0.window, slice: $0.slice) })
        for row in rows where !waiting.contains(Place(window: row.window, slice: row.slice)) {
            let window = day * Self.windowsPerDay + row.window - firstWindow
            guard chosen.indices.contains(Int(window)), let widest = chosen[Int(window)] else { continue }
            let found = RollupTier.allCases.indices.last { place in
                RollupTier.allCases[place].width <= widest.width && covered[place][row.slice]?[Int(window)] == true
            }
            guard let found else { continue }
            tiers[row.slice, default: Array(repeating: nil, count: chosen.count)][Int(window)] =
                RollupTier.allCases[found]
        }
    }

    private struct Place: Hashable {
        let window: Int64
        let slice: UInt32
    }
    private static let windowsPerDay = StoreLimits.dayMilliseconds / StoreLimits.windowMilliseconds

    /// By slice, of which windows a tier's parts speak.
    private static func covered(
        _ store: TenantStore, _ agent: AgentNumber, _ tier: RollupTier, _ choice: RollupChoice
    ) throws -> [UInt32: [Bool]] {
        let width = StoreLimits.windowMilliseconds
        let count = Int64(choice.tiers.count)
        let begin = choice.firstWindow * width
        let files = store.files(of: tier)
        var covered: [UInt32: [Bool]] = [:]
        let first = RollupTier.floor(CivilDay.day(of: begin), tier.daysPerFile)
        let last = RollupTier.floor(CivilDay.day(of: begin + count * width), tier.daysPerFile)
        for key in files.files.days(in: first...last) {
            do {
                try store.onFile(files, key, creating: false) { file in
                    for row in try file.rows(of: agent) {
                        let first = max(0, RollupTier.floor(row.first &+ width &- 1, width) - choice.firstWindow)
                        let end = min(count, RollupTier.floor(row.last &+ 1, width) - choice.firstWindow)
                        guard first < end else { continue }
                        for window in Int(first)..<Int(end) {
                            covered[row.slice, default: Array(repeating: false, count: Int(count))][window] = true
                        }
                    }
                }
            } catch let error as SQLiteError where error.isDamage {
                continue  // set aside and reported: samples answer
            }
        }
        return covered
    }

    /// Which tier stands for the samples of a slice at a time.
    func tier(of slice: UInt32, at time: Int64) -> RollupTier? {
        guard let known = tiers[slice] else { return nil }
        let window = RollupChoice.window(of: time) - firstWindow
        return window >= 0 && window < Int64(known.count) ? known[Int(window)] : nil
    }

    /// The tiers that stand for samples of a slice anywhere.
    func tiers(of slice: UInt32) -> [RollupTier] {
        guard let known = tiers[slice] else { return [] }
        return RollupTier.allCases.filter { known.contains($0) }
    }

    /// Whether rollups stand for the samples of a chunk group.
    func stands(for row: DayFile.Row, of day: Int64) -> Bool {
        tier(of: row.slice, at: day * StoreLimits.dayMilliseconds + row.window * StoreLimits.windowMilliseconds) != nil
    }
}
