import PromQL
import PromQLScripts
import Synchronization
import Telemetry
import Testing

@Suite struct EngineTests {
    private static func source(series: Int, samples: Int) -> MemorySource {
        let source = MemorySource()
        for number in 0..<series {
            source.add(
                SeriesKey(name: "m", labels: [Label("n", "\(number)")]),
                (0..<samples).map { (Int64($0) * 1000, Double($0)) })
        }
        return source
    }
    private let start = Timestamp(milliseconds: 0)
    private let end = Timestamp(milliseconds: 99_000)

    private func error(_ options: QueryOptions, _ text: String, series: Int = 10, step: Int64 = 1000) -> QueryError? {
        let engine = QueryEngine(source: Self.source(series: series, samples: 100), options: options)
        do {
            _ = try engine.range(text, start: start, end: end, step: step)
            return nil
        } catch {
            return error as? QueryError
        }
    }

    @Test("limits end a query and say how to ask for less")
    func limits() throws {
        let few = QueryOptions(limits: QueryLimits(samplesMax: 500, seriesMax: 20))
        let samples = error(few, "m")
        #expect(samples?.code == .limit)
        #expect(samples?.message.contains("more than 500 (query samples limit); ask for a shorter time range") == true)
        // An aggregation holds its groups only.
        #expect(error(few, "sum(m)") == nil)
        #expect(error(few, "sum(rate(m[10s]))") == nil)
        #expect(error(few, "quantile(0.5, m)")?.code == .limit)
        #expect(error(few, "max_over_time(sum(m)[10s:1ms])")?.code == .limit)
        #expect(error(few, "sum_over_time(m[1000d:1ms])")?.code == .limit)
        let series = error(few, "sum(m)", series: 21)
        #expect(series?.code == .limit)
        #expect(
            series?.message
                == "a selector selects 21 series; at most 20 are read (query series limit); add label matchers")
        let steps = error(QueryOptions(), "sum(m)", step: 9)
        #expect(steps?.code == .limit)
        #expect(
            steps?.message
                == "exceeded maximum resolution of 11,000 points per timeseries (11001 steps asked for). Try decreasing "
                + "the query resolution (?step=XX)")
        #expect(error(QueryOptions(), "sum(m)", step: 0)?.code == .execution)
        let engine = QueryEngine(source: MemorySource())
        #expect(throws: QueryError.self) { try engine.range("m", start: end, end: start, step: 1000) }
        #expect(throws: QueryError.self) { try engine.range("m[5m]", start: start, end: end, step: 1000) }
        #expect(throws: QueryError.self) { try engine.range("\"a\"", start: start, end: end, step: 1000) }
        #expect(throws: QueryError.self) { try engine.instant("m", at: .distantPast) }
    }

    @Test("samples are given back: what is not held at once does not count together")
    func release() {
        let options = QueryOptions(limits: QueryLimits(samplesMax: 3500))
        #expect(error(options, "m + on(n) m") == nil)
        #expect(error(options, "sum(m + on(n) m) + sum(m + on(n) m) + sum(m - on(n) m) + sum(m * on(n) m)") == nil)
        #expect(error(options, "topk(3, m) or topk(2, m) or bottomk(2, m)") == nil)
        #expect(error(options, "sum_over_time((m + on(n) m)[5s:1s]) * on(n) m") == nil)
        #expect(error(options, "absent(m) or absent_over_time(m[5s]) or histogram_quantile(0.5, m) or sort(m)") == nil)
    }

    @Test("an interruption ends a query between chunks")
    func interruption() {
        let calls = Mutex(0)
        let options = QueryOptions(interruption: {
            calls.withLock { calls in
                calls += 1
                return calls > 3 ? QueryError(.canceled, "query was canceled") : nil
            }
        })
        let failure = error(options, "m + m + m + m + m + m")
        #expect(failure?.code == .canceled)
        #expect(APIErrorKind.of(failure ?? QueryError(.source, "")) == .canceled)
    }

    @Test("what a source cannot read is said with the answer")
    func warnings() throws {
        struct Failing: SeriesSource {
            let inner: MemorySource
            func select(_ request: SeriesRequest) throws -> any SeriesSelection {
                if request.matchers.contains(where: { $0.value == "broken" }) {
                    throw QueryError(.source, "the index is damaged")
                }
                return Damaged(inner: try inner.select(request))
            }
        }
        struct Damaged: SeriesSelection {
            let inner: any SeriesSelection
            var count: Int { inner.count }
            func labels(at position: Int) -> SeriesKey { inner.labels(at: position) }
            func makeReader() throws -> any SampleReader { try inner.makeReader() }
            var warnings: [String] { ["chunk 7 is damaged: its samples are left out"] }
        }
        let engine = QueryEngine(source: Failing(inner: Self.source(series: 2, samples: 10)))
        let result = try engine.instant("sum(m) + sum(m)", at: Timestamp(milliseconds: 5000))
        #expect(result.annotations.warnings == ["chunk 7 is damaged: its samples are left out"])
        let failure = #expect(throws: QueryError.self) {
            try engine.instant("broken", at: Timestamp(milliseconds: 5000))
        }
        #expect(failure?.message == "the index is damaged")
    }

    @Test("selectors ask for no more than their windows")
    func requests() throws {
        final class Recorder: SeriesSource, Sendable {
            let requests = Mutex<[SeriesRequest]>([])
            func select(_ request: SeriesRequest) throws -> any SeriesSelection {
                requests.withLock { $0.append(request) }
                return MemorySource.Selection.none
            }
        }
        func ranges(_ text: String) throws -> [ClosedRange<Int64>] {
            let recorder = Recorder()
            let engine = QueryEngine(source: recorder)
            _ = try engine.range(
                text, start: Timestamp(milliseconds: 600_000), end: Timestamp(milliseconds: 900_000), step: 60_000)
            return recorder.requests.withLock { $0.map(\.range) }
        }
        #expect(try ranges("m") == [300_001...900_000])
        #expect(try ranges("m offset 1m") == [240_001...840_000])
        #expect(try ranges("rate(m[2m])") == [480_001...900_000])
        #expect(try ranges("m @ 100") == [-199_999...100_000])
        #expect(try ranges("rate(m[1m] @ end())") == [840_001...900_000])
        // Steps of the subquery: multiples of 50 s after 480 s.
        #expect(try ranges("max_over_time(m[2m:50s])") == [200_001...900_000])
        #expect(try ranges("a + b") == [300_001...900_000, 300_001...900_000])
        let recorder = Recorder()
        _ = try QueryEngine(source: recorder).instant("sum(rate(m[5m])) + m", at: end)
        let hints = recorder.requests.withLock { $0.map(\.hints) }
        #expect(hints.map(\.function) == ["rate", nil])
        #expect(hints.map(\.window) == [300_000, 0])
        #expect(hints.map(\.needsOnlyLast) == [false, true])
    }
}
