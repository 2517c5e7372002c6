import Sources
import Telemetry
import Testing

@Suite("sources: StatsD, added up")
struct StatsDAggregateTests {
    private let start = Timestamp(seconds: 1_767_225_600)

    private func values(_ readings: [SourceReading]) -> [String: Double] {
        Dictionary(
            uniqueKeysWithValues: readings.map { reading in
                let labels = reading.key.labels.filter { $0.name != SeriesKey.nameLabel }
                let text = labels.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
                return (reading.key.name + (text.isEmpty ? "" : "{\(text)}"), reading.value)
            })
    }

    private func add(_ text: String, to aggregate: inout StatsDAggregate, at seconds: Int64 = 0) {
        Array(text.utf8).withUnsafeBytes {
            aggregate.add(packet: $0, now: start.advanced(byMilliseconds: seconds * 1000))
        }
    }

    @Test("counters grow, gauges stay and change, sets begin anew")
    func kinds() {
        var aggregate = StatsDAggregate(seriesMax: 100)
        add(
            "c:1|c\nc:2|c|@0.1\nc:-5|c\nd_total:1|c\ng:5|g\ng:+2|g\ng:-3|g\nn:-2|g\nu:a|s\nu:b|s\nu:a|s", to: &aggregate
        )
        let first = values(aggregate.report(now: start))
        #expect(first == ["c_total": 21, "d_total": 1, "g": 4, "n": -2, "u": 2])
        add("c:1|c", to: &aggregate, at: 5)
        let second = values(aggregate.report(now: start.advanced(byMilliseconds: 10_000)))
        #expect(second == ["c_total": 22, "d_total": 1, "g": 4, "n": -2, "u": 0])
        let taken = aggregate.takeTaken()
        #expect(taken == 12)
    }

    @Test("timers become seconds, with weights of their rate; quantiles are of the interval")
    func timers() {
        var aggregate = StatsDAggregate(seriesMax: 100)
        add("t:100:200:300|ms|@0.5\nh:7|h|#a:b", to: &aggregate)
        let first = values(aggregate.report(now: start))
        #expect(abs((first["t_seconds_sum"] ?? 0) - 1.2) < 1e-9 && first["t_seconds_count"] == 6)
        #expect(abs((first["t_seconds{quantile=0.5}"] ?? 0) - 0.2) <= 0.002)
        #expect(abs((first["t_seconds{quantile=0.99}"] ?? 0) - 0.3) <= 0.003)
        #expect(first["h_sum{a=b}"] == 7 && abs((first["h{a=b,quantile=0.9}"] ?? 0) - 7) <= 0.07)
        let second = values(aggregate.report(now: start.advanced(byMilliseconds: 10_000)))
        #expect(second["t_seconds_count"] == 6 && second["t_seconds{quantile=0.5}"]?.isNaN == true)
    }

    @Test("types and starts travel along")
    func types() {
        var aggregate = StatsDAggregate(seriesMax: 100)
        add("c:1|c\ng:1|g\nt:1|ms", to: &aggregate)
        for reading in aggregate.report(now: start) {
            let isCounting = reading.key.name != "g" && reading.key["quantile"] == nil
            #expect(reading.startMilliseconds == (isCounting ? start.milliseconds : 0))
            #expect(
                reading.type == (reading.key.name == "c_total" ? .counter : reading.key.name == "g" ? .gauge : .summary)
            )
        }
    }

    @Test("bounds drop what is new and count it; idle series make room")
    func bounds() {
        var aggregate = StatsDAggregate(seriesMax: 2)
        add("a:1|c\nb:1|c\nc:1|c\na:1|c", to: &aggregate)
        #expect(aggregate.seriesCount == 2 && aggregate.drops[.seriesLimit] == 1)
        let hour = StatsDAggregate.idleMillisecondsMax / 1000
        add("a:1|c", to: &aggregate, at: hour - 1)
        let later = values(aggregate.report(now: start.advanced(byMilliseconds: hour * 1000)))
        #expect(later == ["a_total": 3])
        add("b:1|c", to: &aggregate, at: hour)
        let again = values(aggregate.report(now: start.advanced(byMilliseconds: hour * 1000)))
        #expect(again == ["a_total": 3, "b_total": 1])
    }

    @Test("a set's members are bounded")
    func sets() {
        var aggregate = StatsDAggregate(seriesMax: 1)
        for member in 0..<(StatsDAggregate.setMembersMax + 5) { add("s:\(member)|s", to: &aggregate) }
        add("s:0|s", to: &aggregate)
        #expect(aggregate.drops[.setMembers] == 5)
        #expect(values(aggregate.report(now: start)) == ["s": Double(StatsDAggregate.setMembersMax)])
    }
}
