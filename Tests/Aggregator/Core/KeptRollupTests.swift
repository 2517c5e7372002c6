import AggregatorCore
import PromQL
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing

/// Rollups where samples are kept: the same answers as from samples only, and told.
@Suite("Queries that rollups make faster") struct KeptRollupTests {
    /// 2026-01-01T00:00:00Z.
    private static let start: Int64 = 1_767_225_600_000
    private static let minute: Int64 = 60_000
    private static let day: Int64 = 86_400_000
    private static let days: Int64 = 4
    private static let stale = StalenessMarker.value

    private struct Stored {
        let directory: TemporaryDirectory
        let stores: StoreDirectory
        let time: ManualTimeSource
        let store: TenantStore

        init(_ directory: TemporaryDirectory) throws {
            self.directory = directory
            time = ManualTimeSource(now: Timestamp(milliseconds: start + (days * 24 + 3) * 60 * minute))
            stores = StoreDirectory(
                root: directory.path,
                configuration: StoreConfiguration(
                    metricsRetentionDays: 100, fiveMinuteRetentionDays: 300, hourRetentionDays: 300), time: time)
            store = try stores.tenant(TenantID(unchecked: "acme"))
        }

        func push(_ name: String, _ samples: [(Int64, Double)]) throws {
            var write = SampleWrite()
            let type: MetricType = name.hasSuffix("_total") ? .counter : .gauge
            let key = SeriesKey(name: name, labels: [Label("n", name)])
            write.begin(store.pushed.add(SeriesDescriptor(key: key, type: type)))
            for (time, value) in samples { write.append(time, value) }
            try store.commit(pushed: try store.prepare(write))
        }

        func drain() throws {
            while try store.compactStep(isDraining: true).didWork {}
        }
    }

    /// One series over all days, with gaps, staleness markers, resets and what else its name says.
    private static func samples(_ name: String, _ generator: inout SeededGenerator) -> [(Int64, Double)] {
        var samples: [(Int64, Double)] = []
        let interval: Int64 = name.contains("sparse") ? 37 * minute : 30_000
        // Half of them on whole minutes, where samples lie at the very edges.
        let phase = name.contains("odd") ? Int64.random(in: 1..<interval, using: &generator) : 0
        var time = start + phase
        var value = name.contains("big") ? 1e12 : 0
        while time < start + days * day {
            let chance = Double.random(in: 0..<1, using: &generator)
            if chance < 0.0005 {
                time += Int64.random(in: 1...9 * 60, using: &generator) * minute / interval * interval
            }
            if name.hasSuffix("_total") {
                value = chance > 0.998 ? Double(Int.random(in: 0...5, using: &generator)) : value
                value += Double.random(in: 0..<9, using: &generator)
            } else {
                value = Double.random(in: -1e6..<1e6, using: &generator)
            }
            let isNaN = name.contains("nan") && chance < 0.0002
            samples.append((time, isNaN ? .nan : chance > 0.99 && chance < 0.993 ? stale : value))
            time += interval
        }
        return samples
    }

    private static let names = [
        "plain_total", "odd_total", "sparse_total", "big_total", "nan_total", "plain", "odd", "sparse", "odd_nan",
    ]

    /// Everything, and then what rollups must not hide: late samples at rest, late samples in level 0, deletions.
    private static func filled(seed: UInt64) throws -> Stored {
        let stored = try Stored(TemporaryDirectory())
        var generator = SeededGenerator(seed: seed)
        for name in names {
            let samples = samples(name, &generator)
            let late = samples.indices.filter { $0 % 997 < 40 && samples[$0].0 < start + 2 * day }
            let isLate = Set(late)
            try stored.push(name, samples.indices.filter { !isLate.contains($0) }.map { samples[$0] })
            if name.contains("plain") {
                try stored.drain()
                try stored.push(name, late.map { samples[$0] })
            }
        }
        try stored.drain()
        let begin = Timestamp(milliseconds: start + 30 * 60 * minute + 17)
        let matchers = [[try LabelMatcher("__name__", .equal, "sparse")]]
        _ = try stored.store.delete(matchers, in: begin...begin.advanced(byMilliseconds: 7 * 60 * minute))
        if seed % 2 == 0 { try stored.drain() }
        // One window is not at rest again when it is asked.
        try stored.push("odd_total", [(start + 50 * 60 * minute + 1, 3)])
        return stored
    }

    private static func ask(
        _ stored: Stored, _ query: String, _ grid: (start: Int64, end: Int64, step: Int64), _ resolution: Int64
    ) throws -> (matrix: Matrix, infos: [String]) {
        var options = QueryOptions(parser: .all)
        options.sourceResolutionMax = resolution
        let result = try QueryEngine(source: StoredSeries(store: stored.store), options: options).range(
            query, start: Timestamp(milliseconds: grid.start), end: Timestamp(milliseconds: grid.end), step: grid.step)
        guard case .matrix(let matrix) = result.value else { return (Matrix(series: []), []) }
        return (matrix, result.annotations.infos.filter { $0.contains("rollups of") })
    }

    /// A query's answers from samples and with rollups; the difference allowed is relative to `scale`.
    private static func compare(
        _ stored: Stored, _ function: String, _ window: Int64, _ grid: (start: Int64, end: Int64, step: Int64),
        _ note: String
    ) throws -> Bool {
        let selector = "{__name__=~\".+\"}[\(window)ms]"
        let query = "\(function)(\(selector))"
        let samples = try ask(stored, query, grid, 0)
        let rolled = try ask(stored, query, grid, .max)
        #expect(samples.infos.isEmpty, "\(note)")
        // What a sum may be off by follows from how large its terms are.
        let scale = function == "sum_over_time" ? 1e6 * Double(window / 30_000) : function == "avg_over_time" ? 1e6 : 0
        #expect(samples.matrix.series.map(\.labels) == rolled.matrix.series.map(\.labels), "\(query) \(note)")
        for (left, right) in zip(samples.matrix.series, rolled.matrix.series) {
            #expect(left.timestamps == right.timestamps, "\(query) \(left.labels) \(note)")
            for (index, (one, other)) in zip(left.values, right.values).enumerated() {
                let isExact = scale == 0 && function.hasSuffix("_over_time")
                let isEqual =
                    one.isNaN && other.isNaN || one == other
                    || !isExact && abs(one - other) <= 1e-12 * max(abs(one), scale)
                #expect(isEqual, "\(query) \(left.labels) at \(left.timestamps[index]): \(other), not \(one); \(note)")
                guard isEqual else { return false }
            }
        }
        return !rolled.infos.isEmpty
    }

    @Test(
        "any query gives the same with rollups as without: gaps, resets, markers, late data, deletions",
        arguments: [UInt64(1), 2])
    func sameAnswers(seed: UInt64) throws {
        let stored = try Self.filled(seed: seed)
        defer { stored.stores.closeAll() }
        var generator = SeededGenerator(seed: seed &* 77)
        let functions = [
            "sum_over_time", "count_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time",
            "last_over_time", "present_over_time", "absent_over_time", "increase", "rate", "delta", "changes",
        ]
        var used: [String: Int] = [:]
        for round in 0..<104 {
            let function = functions[round % functions.count]
            let isCounter = ["increase", "rate", "delta"].contains(function)
            // Of hours, of five minutes, or of nothing that rollups have.
            let unit = [60 * Self.minute, 5 * Self.minute, 60_007][round / functions.count % 3]
            let window =
                isCounter
                ? Self.day + Int64.random(in: 0...2 * Self.day, using: &generator)
                : unit * Int64.random(in: 1...40, using: &generator)
            let step = isCounter ? 40 * 60 * Self.minute : unit * Int64.random(in: 1...20, using: &generator)
            let first = Self.start + unit * Int64.random(in: 0..<30, using: &generator)
            let grid = (start: first, end: Self.start + Self.days * Self.day + 7_200_000, step: step)
            let isUsed = try Self.compare(stored, function, window, grid, "seed \(seed) round \(round) \(grid)")
            if isUsed { used[function, default: 0] += 1 }
        }
        for function in functions.dropLast() { #expect(used[function, default: 0] > 0, "\(function): \(used)") }
        #expect(used["changes"] == nil)
    }

    @Test("an instant query over a long window has its inside from rollups, whenever it is asked")
    func instants() throws {
        let stored = try Self.filled(seed: 3)
        defer { stored.stores.closeAll() }
        for (number, function) in ["increase", "rate", "delta", "avg_over_time", "max_over_time"].enumerated() {
            let time = Self.start + 3 * Self.day + 12_345_678 + Int64(number) * 777_777
            let isUsed = try Self.compare(stored, function, 2 * Self.day + 5, (time, time, 1), "at \(time)")
            #expect(isUsed, "\(function)")
        }
    }

    @Test("rollups of five minutes at most, or none, when that is asked for")
    func resolutions() throws {
        let stored = try Self.filled(seed: 4)
        defer { stored.stores.closeAll() }
        let grid = (start: Self.start + Self.day, end: Self.start + 2 * Self.day, step: 60 * Self.minute)
        func infos(_ resolution: Int64) throws -> [String] {
            try Self.ask(stored, "max_over_time(plain_total[6h])", grid, resolution).infos
        }
        #expect(try infos(0).isEmpty)
        #expect(try infos(299_999).isEmpty)
        #expect(try infos(300_000).first?.hasPrefix("rollups of 5m answered") == true)
        #expect(try infos(3_600_000).first?.hasPrefix("rollups of 1h answered") == true)
        #expect(try infos(.max).first?.hasPrefix("rollups of 1h answered") == true)
    }

    @Test("rollups that are damaged or lost cost time, not samples")
    func damage() throws {
        for isLost in [false, true] {
            let stored = try Self.filled(seed: 5)
            let folder = stored.directory.path + "/tenants/acme"
            stored.stores.closeAll()
            for name in try Files.names(in: folder) where name.hasPrefix("rollup-1h-") && name.hasSuffix(".sqlite") {
                let database = try Database(path: "\(folder)/\(name)", configuration: DatabaseConfiguration())
                try database.execute(isLost ? "DELETE FROM chunk" : "UPDATE chunk SET body = zeroblob(length(body))")
                database.close()
            }
            let again = try Stored(stored.directory)
            let grid = (start: Self.start + Self.day, end: Self.start + 3 * Self.day, step: 60 * Self.minute)
            for function in ["max_over_time", "count_over_time"] {
                let isUsed = try Self.compare(again, function, 21_600_000, grid, "lost \(isLost)")
                // Lost hours are answered by five minutes; damage is met when a series is read.
                #expect(isUsed == isLost)
            }
            again.stores.closeAll()
        }
    }
}
