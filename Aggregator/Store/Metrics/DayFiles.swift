import Glibc
import SQLite
import Synchronization
import Telemetry

/// The day files of one tenant: opened when asked for, the least recently used closed beyond a bound.
///
/// Which days exist is read from the directory once and kept; a day file that turns out damaged is set aside and
/// costs that day only.
final class DayFiles: Sendable {
    private struct State {
        var known: Set<Int64>
        var open: [Int64: (file: DayFile, use: UInt64)] = [:]
        var clock: UInt64 = 0
        /// Level-0 rows of this run's ingest file that a day holds and level 0 may still list.
        var moved: [Int64: Set<Int64>] = [:]
    }

    private let directory: String
    private let prefix: String
    private let daysPerFile: Int64
    private let state: Mutex<State>

    /// - Parameter daysPerFile: files of more than one day are numbered by them and named by their first one.
    init(directory: String, prefix: String = "metrics-", daysPerFile: Int64 = 1) {
        self.directory = directory
        self.prefix = prefix
        self.daysPerFile = daysPerFile
        let days = StoreFiles.names(in: directory).compactMap { name -> Int64? in
            guard name.hasPrefix(prefix), name.hasSuffix(".sqlite"),
                let day = CivilDay.day(named: name.dropFirst(prefix.count).dropLast(7)), day % daysPerFile == 0
            else { return nil }
            return day / daysPerFile
        }
        state = Mutex(State(known: Set(days)))
    }

    static func name(_ day: Int64) -> String { "metrics-\(CivilDay.name(day)).sqlite" }
    func name(_ day: Int64) -> String { "\(prefix)\(CivilDay.name(day &* daysPerFile)).sqlite" }

    /// Ascending.
    var days: [Int64] { state.withLock { $0.known.sorted() } }
    func days(in range: ClosedRange<Int64>) -> [Int64] { state.withLock { $0.known.filter(range.contains).sorted() } }

    /// - Returns: nil when there is no file of that day and `creating` is false.
    func file(_ day: Int64, creating: Bool) throws -> DayFile? {
        var surplus: DayFile?
        // Opening under the lock keeps one writer per file; it takes a millisecond, once per day file.
        let file: DayFile? = try state.withLock { state in
            state.clock += 1
            if let known = state.open[day] {
                state.open[day]?.use = state.clock
                return known.file
            }
            guard creating || state.known.contains(day) else { return nil }
            let file = try DayFile(day: day, path: "\(directory)/\(name(day))")
            state.known.insert(day)
            state.open[day] = (file, state.clock)
            if state.open.count > StoreLimits.openDaysMax,
                let oldest = state.open.min(by: { $0.value.use < $1.value.use })
            {
                surplus = state.open.removeValue(forKey: oldest.key)?.file
            }
            return file
        }
        // Whoever still reads it keeps it alive; it closes when the last one lets go.
        _ = surplus
        return file
    }

    // MARK: What moved

    /// Reads the notes of the days that level-0 rows reach into. Notes elsewhere name ids that are gone for good.
    func loadMoved(generation: [UInt8], of candidates: Set<Int64>) throws -> [Int64: Set<Int64>] {
        for day in days where candidates.contains(day) {
            guard let file = try? file(day, creating: false) else { continue }  // damage is met again by readers
            let ids = (try? file.moved(generation: generation)) ?? []
            if !ids.isEmpty { state.withLock { $0.moved[day] = ids } }
        }
        return state.withLock { $0.moved }
    }

    func moved(_ day: Int64) -> Set<Int64> { state.withLock { $0.moved[day] ?? [] } }

    func noteMoved(_ ids: [Int64], _ day: Int64) { state.withLock { $0.moved[day, default: []].formUnion(ids) } }

    var movedDays: [Int64] { state.withLock { Array($0.moved.keys) } }

    /// After the rows are gone from level 0: drops the notes of every day that has no other ones.
    func forgetMoved(_ ids: [Int64]) throws {
        let finished = state.withLock { state -> [Int64] in
            for day in state.moved.keys { state.moved[day]?.subtract(ids) }
            return state.moved.filter { $0.value.isEmpty }.map(\.key)
        }
        for day in finished {
            try file(day, creating: false)?.forgetMoved()
            state.withLock { $0.moved[day] = nil }
        }
    }

    // MARK: Removal

    /// Deletes the days before `day`. Readers that are at it finish on what they have open.
    /// - Returns: the days deleted.
    func remove(before day: Int64) -> [Int64] {
        let removed = state.withLock { state -> [Int64] in
            let old = state.known.filter { $0 < day }.sorted()
            for day in old {
                state.known.remove(day)
                state.open[day] = nil
                state.moved[day] = nil
            }
            return old
        }
        for day in removed { Database.remove("\(directory)/\(name(day))") }
        return removed
    }

    /// Sets a damaged day file aside; the day is empty from now on.
    func quarantine(_ day: Int64, now: Timestamp) throws {
        try state.withLock { state in
            guard state.known.contains(day) else { return }
            state.open[day] = nil
            state.known.remove(day)
            state.moved[day] = nil
            _ = try Database.quarantine("\(directory)/\(name(day))", unixSeconds: now.milliseconds / 1000)
        }
    }

    /// Day files that are open, for maintenance.
    var openFiles: [DayFile] { state.withLock { $0.open.values.map(\.file) } }

    func closeAll() {
        let files = state.withLock { state in
            defer { state.open.removeAll() }
            return state.open.values.map(\.file)
        }
        for file in files { file.close() }
    }
}
