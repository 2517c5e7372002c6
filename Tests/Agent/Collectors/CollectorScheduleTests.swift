import Collectors
import Telemetry
import Testing

@Suite("The collectors' schedule")
struct CollectorScheduleTests {
    private let second: UInt64 = 1_000_000_000

    private func schedule(_ intervals: Int64...) -> CollectorSchedule {
        CollectorSchedule(collectors: intervals.enumerated().map { ("c\($0.offset)", $0.element) })
    }
    private func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    @Test("ticks lie on the wall-clock grid, collectors of all intervals together")
    func grid() {
        var schedule = schedule(1000, 5000)
        #expect(schedule.takeDue(now: at(12_300), monotonicNanoseconds: 0) == nil)
        #expect(schedule.delayMilliseconds(now: at(12_300)) == 700)
        #expect(
            schedule.takeDue(now: at(13_001), monotonicNanoseconds: 0) == .init(timestamp: at(13_000), collectors: [0]))
        #expect(schedule.takeDue(now: at(13_500), monotonicNanoseconds: 0) == nil)
        #expect(
            schedule.takeDue(now: at(14_000), monotonicNanoseconds: 0) == .init(timestamp: at(14_000), collectors: [0]))
        #expect(
            schedule.takeDue(now: at(15_002), monotonicNanoseconds: 0)
                == .init(timestamp: at(15_000), collectors: [0, 1]))
    }

    @Test("a tick that is late bears its own time")
    func late() {
        var schedule = schedule(1000)
        _ = schedule.takeDue(now: at(999), monotonicNanoseconds: 0)
        #expect(schedule.takeDue(now: at(1400), monotonicNanoseconds: 0)?.timestamp == at(1400))
        #expect(schedule.takeDue(now: at(2100), monotonicNanoseconds: 0)?.timestamp == at(2000))
    }

    @Test("a clock that steps back or forth is followed at once and costs no missed tick")
    func steps() {
        var schedule = schedule(1000)
        var monotonic: UInt64 = second
        for now in [10_000, 11_000, 3_600_000, 3_601_000, 5000, 6000] as [Int64] {
            monotonic += second
            let tick = schedule.takeDue(now: at(now), monotonicNanoseconds: monotonic)
            #expect(tick?.timestamp == at(now))
            schedule.begin(0, worker: 1, monotonicNanoseconds: monotonic)
            let isCurrent = schedule.finish(0, worker: 1, monotonicNanoseconds: monotonic, error: nil)
            #expect(isCurrent)
        }
        #expect(schedule.entries[0].missedTicks == 0)
    }

    @Test("ticks that pass without a collection are counted")
    func missed() {
        var schedule = schedule(1000)
        for (now, monotonic) in [(10_000, 10), (15_000, 15), (16_000, 16)] as [(Int64, UInt64)] {
            #expect(schedule.takeDue(now: at(now), monotonicNanoseconds: monotonic * second) != nil)
            schedule.begin(0, worker: 1, monotonicNanoseconds: monotonic * second)
            _ = schedule.finish(0, worker: 1, monotonicNanoseconds: monotonic * second, error: nil)
        }
        #expect(schedule.entries[0].missedTicks == 4)
    }

    @Test("a failing collector backs off and recovers; an absent source is looked for once a minute")
    func backOff() {
        func attempts(_ error: CollectorError?, seconds: Int64) -> [Int64] {
            var schedule = schedule(1000)
            var attempts: [Int64] = []
            for now in 1...seconds
            where schedule.takeDue(now: at(now * 1000), monotonicNanoseconds: UInt64(now) * second) != nil {
                attempts.append(now)
                schedule.begin(0, worker: 1, monotonicNanoseconds: UInt64(now) * second)
                _ = schedule.finish(0, worker: 1, monotonicNanoseconds: UInt64(now) * second, error: error)
            }
            return attempts
        }
        #expect(attempts(.malformed("x"), seconds: 40) == [1, 3, 7, 15, 31])
        #expect(attempts(.unavailable("x"), seconds: 130) == [1, 61, 121])
        #expect(attempts(nil, seconds: 3) == [1, 2, 3])
    }

    @Test("a hung collector is given up after the timeout and tried again only when its worker came back")
    func hang() {
        var schedule = schedule(1000, 1000)
        _ = schedule.takeDue(now: at(1000), monotonicNanoseconds: second)
        schedule.begin(0, worker: 1, monotonicNanoseconds: second)
        #expect(schedule.takeHung(monotonicNanoseconds: 3 * second) == nil)
        #expect(schedule.takeHung(monotonicNanoseconds: 3 * second + 1) == 0)
        #expect(schedule.entries[0].state == .hung(worker: 1))
        #expect(schedule.abandonedWorkers == 1)
        // The other one goes on.
        #expect(schedule.takeDue(now: at(60_000), monotonicNanoseconds: 60 * second)?.collectors == [1])
        let isCurrent = schedule.finish(0, worker: 1, monotonicNanoseconds: 61 * second, error: nil)
        #expect(!isCurrent)
        #expect(schedule.abandonedWorkers == 0)
        #expect(schedule.takeDue(now: at(61_000), monotonicNanoseconds: 61 * second)?.collectors == [1])
        #expect(schedule.takeDue(now: at(63_000), monotonicNanoseconds: 63 * second)?.collectors == [0, 1])
    }

    @Test("no more than the bound of workers are given up")
    func abandonBound() {
        var schedule = schedule(1000, 1000, 1000, 1000, 1000)
        for index in 0..<5 {
            schedule.begin(index, worker: UInt64(index), monotonicNanoseconds: 0)
            let hung = schedule.takeHung(monotonicNanoseconds: 3 * second)
            #expect(hung == (index < CollectorSchedule.abandonedWorkersMax ? index : nil))
        }
    }

    @Test("intervals and switches change from the next tick on; nonsense is refused")
    func configure() {
        var schedule = schedule(1000)
        let isFaster = schedule.configure("c0", intervalMilliseconds: 500, isEnabled: true)
        #expect(isFaster)
        #expect(schedule.takeDue(now: at(1500), monotonicNanoseconds: 0)?.timestamp == at(1500))
        let isOff = schedule.configure("c0", intervalMilliseconds: nil, isEnabled: false)
        #expect(isOff)
        #expect(schedule.takeDue(now: at(9000), monotonicNanoseconds: 0) == nil)
        let isAccepted = [("c0", 1), ("nobody", 1000)].map { name, interval in
            schedule.configure(name, intervalMilliseconds: interval, isEnabled: true)
        }
        #expect(isAccepted == [false, false])
    }
}
