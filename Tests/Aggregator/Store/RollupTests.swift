import Compression
import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Rollups") struct RollupTests {
    private static let start = TestBlocks.start.milliseconds
    private static let stale = Double(bitPattern: 0x7FF0_0000_0000_0002)

    private func push(_ store: TenantStore, _ key: SeriesKey, _ type: MetricType, _ samples: [Int64: Double]) throws {
        var write = SampleWrite()
        write.begin(store.pushed.add(SeriesDescriptor(key: key, type: type)))
        for (time, value) in samples { write.append(time, value) }
        try store.commit(pushed: try store.prepare(write))
    }

    private func all(_ store: TenantStore, _ tier: RollupTier) throws -> [SeriesKey: [Rollup]] {
        let range = Timestamp.distantPast ... .distantFuture
        let reader = try store.rollupReader(tier, in: range)
        var found: [SeriesKey: [Rollup]] = [:]
        for entry in store.series([], in: range) {
            let rollups = try store.index.places(of: [entry.id]).first.map { try reader.rollups(of: $0).rollups } ?? []
            if !rollups.isEmpty { found[entry.descriptor.key] = rollups }
        }
        return found
    }

    /// As PromQL would add up: everything in (through − width, through].
    private func expected(_ samples: [Int64: Double], _ width: Int64) -> [Int64: [Double]] {
        var windows: [Int64: [Double]] = [:]
        for (time, value) in samples.sorted(by: { $0.key < $1.key }) where value.bitPattern != Self.stale.bitPattern {
            windows[(time + width - 1) / width * width, default: []].append(value)
        }
        return windows
    }

    private func check(
        _ rollups: [Rollup], _ samples: [Int64: Double], _ tier: RollupTier, isCounter: Bool, _ note: String = ""
    ) {
        let width = tier.width
        var found: [Int64: Rollup] = [:]
        for rollup in rollups {
            let window = (rollup.stamp + width - 1) / width * width
            if var known = found[window] {
                // Neighbours in one window: those at the edges of level 1's windows.
                known.increase +=
                    (rollup.first < known.last ? rollup.first : rollup.first - known.last) + rollup.increase
                (known.count, known.sum) = (known.count + rollup.count, known.sum + rollup.sum)
                (known.min, known.max) = (Swift.min(known.min, rollup.min), Swift.max(known.max, rollup.max))
                known.last = rollup.last
                found[window] = known
            } else {
                found[window] = rollup
            }
        }
        let windows = expected(samples, width)
        #expect(Set(found.keys) == Set(windows.keys), "\(note)")
        for (window, values) in windows {
            guard let rollup = found[window] else { continue }
            #expect(rollup.count == Double(values.count), "\(note)")
            #expect(abs(rollup.sum - values.reduce(0, +)) <= 1e-9 * values.reduce(0) { $0 + abs($1) }, "\(note)")
            #expect(rollup.min == values.min() && rollup.max == values.max() && rollup.last == values.last, "\(note)")
            guard isCounter else { continue }
            var increase = 0.0
            for (previous, next) in zip(values, values.dropFirst()) {
                increase += next < previous ? next : next - previous
            }
            #expect(abs(rollup.increase - increase) <= 1e-9 * (1 + abs(increase)), "\(note)")
            #expect(abs(rollup.first - values[0]) <= 1e-9 * abs(values[0]), "\(note)")
        }
    }

    @Test("rollups say what the samples say, also after late data, merging and restarts")
    func model() throws {
        for seed in UInt64(1)...3 {
            var generator = SeededGenerator(seed: seed)
            let test = try StoreUnderTest(now: TestBlocks.start.advanced(byMilliseconds: 6 * 86_400_000))
            var samples: [SeriesKey: [Int64: Double]] = [:]
            for round in 0..<12 {
                for number in 0..<4 {
                    let key = SeriesKey(name: "rolled_\(number)", labels: [])
                    var batch: [Int64: Double] = [:]
                    // Whole minutes, so that edges are met; one series at odd times.
                    let from = Int64.random(in: 0..<4 * 1440, using: &generator)
                    var value = Double.random(in: 0..<100, using: &generator)
                    for minute in from..<from + 200 {
                        value = Double.random(in: 0..<1, using: &generator) < 0.05 ? 0 : value + Double(number)
                        batch[Self.start + minute * 60_000 + (number == 3 ? minute % 7 : 0)] =
                            Double.random(in: 0..<1, using: &generator) < 0.02 ? Self.stale : value
                    }
                    try push(test.store, key, number == 1 ? .gauge : .counter, batch)
                    samples[key, default: [:]].merge(batch) { $1 }
                }
                if round % 3 == 1 { try test.drain() }
                if round % 5 == 4 {
                    test.close()
                    try test.reopen()
                }
            }
            try test.drain()
            for tier in RollupTier.allCases {
                let found = try all(test.store, tier)
                for (key, values) in samples {
                    check(
                        found[key] ?? [], values, tier, isCounter: key["__name__"] != "rolled_1",
                        "seed \(seed) \(tier) \(key)")
                }
            }
            test.close()
        }
    }

    @Test("a crash between rollups and their mark repeats the work and changes nothing")
    func crash() throws {
        let test = try StoreUnderTest(now: TestBlocks.start.advanced(byMilliseconds: 86_400_000))
        let key = SeriesKey(name: "rolled_total", labels: [])
        var samples: [Int64: Double] = [:]
        for minute in 0..<400 { samples[Self.start + Int64(minute) * 60_000] = Double(minute * minute) }
        try push(test.store, key, .counter, samples)
        for count in 1...2 {
            test.store.faults.stop(at: .afterRollup, count: count)
            #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
            test.close()
            try test.reopen()
        }
        try test.drain()
        for tier in RollupTier.allCases {
            check(try all(test.store, tier)[key] ?? [], samples, tier, isCounter: true)
        }
        test.close()
    }

    @Test("deletion reaches rollups: at once for readers, with samples rolled up again, without them for good")
    func deletion() throws {
        let test = try StoreUnderTest(
            StoreConfiguration(metricsRetentionDays: 3, fiveMinuteRetentionDays: 100, hourRetentionDays: 100),
            now: TestBlocks.start.advanced(byMilliseconds: 86_400_000))
        let key = SeriesKey(name: "rolled_total", labels: [])
        var samples: [Int64: Double] = [:]
        for minute in 0..<400 { samples[Self.start + Int64(minute) * 60_000] = Double(minute) }
        try push(test.store, key, .counter, samples)
        try test.drain()
        let matchers = try [LabelMatcher("__name__", .equal, "rolled_total")]
        func at(_ minute: Int64) -> Timestamp { Timestamp(milliseconds: Self.start + minute * 60_000) }
        _ = try test.store.delete([matchers], in: at(7)...at(187))
        #expect(
            try all(test.store, .fiveMinutes)[key]?.allSatisfy {
                $0.stamp <= at(5).milliseconds || $0.stamp > at(190).milliseconds
            } == true)
        try test.store.cleanDeletions()
        try test.drain()
        samples = samples.filter { !(at(7).milliseconds...at(187).milliseconds).contains($0.key) }
        for tier in RollupTier.allCases {
            check(try all(test.store, tier)[key] ?? [], samples, tier, isCounter: true, "\(tier)")
        }
        // The samples leave; rollups and the series stay, and can be deleted.
        test.time.advance(milliseconds: 10 * 86_400_000)
        try test.store.maintain()
        #expect(try TestBlocks.everything(test.store).isEmpty)
        #expect(try all(test.store, .hour)[key]?.isEmpty == false)
        _ = try test.store.delete([matchers], in: .distantPast...at(300))
        for _ in 0..<2 {
            #expect(
                try all(test.store, .fiveMinutes).isEmpty
                    || all(test.store, .fiveMinutes)[key]?.allSatisfy { $0.stamp > at(300).milliseconds } == true)
            try test.store.cleanDeletions()
        }
        #expect(test.store.series(matchers, in: .distantPast ... .distantFuture).count == 1)
        test.time.advance(milliseconds: 200 * 86_400_000)
        try test.store.maintain()
        #expect(test.store.sizes().rollupBytes == 0)
        #expect(test.store.sizes().series == 0)
        test.close()
    }

    @Test("a rollup group's bytes are those of the golden file")
    func golden() throws {
        let test = try StoreUnderTest(now: TestBlocks.start.advanced(byMilliseconds: 86_400_000))
        for (number, type) in [MetricType.counter, .gauge].enumerated() {
            var samples: [Int64: Double] = [:]
            for index in 0..<240 {
                samples[Self.start + Int64(index) * 30_000] = Double((index * (7 + number)) % 100) / 4
            }
            try push(test.store, SeriesKey(name: "golden_\(number)", labels: []), type, samples)
        }
        try test.drain()
        var text = ""
        for (key, rollups) in try all(test.store, .fiveMinutes).sorted(by: {
            ($0.key["__name__"] ?? "") < ($1.key["__name__"] ?? "")
        }) {
            for rollup in rollups { text += "\(key["__name__"] ?? "") \(rollup)\n" }
        }
        test.close()
        let bodies = try Files.names(in: test.path("")).filter {
            $0.hasPrefix("rollup-5m-") && $0.hasSuffix(".sqlite")
        }.flatMap { try Self.bodies(test.path($0)) }
        #expect(bodies.count == 1)
        let hex = bodies.map { Hexadecimal.encode($0) }.joined(separator: "\n") + "\n" + text
        let folder = (#filePath.lastIndex(of: "/").map { String(#filePath[..<$0]) } ?? ".") + "/Golden"
        let path = folder + "/RollupGroup-v2.txt"
        if DataDirectories.isRecording { try Files.write(Array(hex.utf8), to: path) }
        #expect(try Files.text(path) == hex)
        // What the version before wrote reads as the same.
        let lines = try Files.text(folder + "/RollupGroup-v1.txt").split(separator: "\n", maxSplits: 1)
        #expect(lines[1] == text)
        let decompressor = try ZstdDecompressor()
        let old = try ChunkGroupReader(#require(Hexadecimal.decode(String(lines[0]))), decompressor: decompressor)
        let new = try ChunkGroupReader(bodies[0], decompressor: decompressor)
        #expect(old.series == new.series && old.timelines == new.timelines)
        for position in old.series.indices { #expect(try old.values(position) == new.values(position)) }
    }

    private static func bodies(_ path: String) throws -> [[UInt8]] {
        let database = try Database(path: path, configuration: .readOnly())
        defer { database.close() }
        let statement = try database.statement("SELECT body FROM chunk ORDER BY id")
        var bodies: [[UInt8]] = []
        while try statement.step() { bodies.append(statement.blob(0)) }
        return bodies
    }
}
