import Sources
import Telemetry
import Testing

@Suite("sources: cadence")
struct CadenceTests {
    @Test("instants lie on the grid, whatever the delay of looking")
    func grid() {
        var cadence = Cadence(
            intervalMilliseconds: 10_000, offsetMilliseconds: 3000, now: Timestamp(milliseconds: 1_004_000),
            monotonicMilliseconds: 50)
        #expect(cadence.dueMilliseconds == 9050)
        let early = cadence.take(now: Timestamp(milliseconds: 1_012_000), monotonicMilliseconds: 8050)
        #expect(early == nil)
        let first = cadence.take(now: Timestamp(milliseconds: 1_013_020), monotonicMilliseconds: 9070)
        #expect(first == Timestamp(milliseconds: 1_013_000))
        #expect(cadence.dueMilliseconds == 19_050)
        let late = cadence.take(now: Timestamp(milliseconds: 1_047_500), monotonicMilliseconds: 43_550)
        #expect(late == Timestamp(milliseconds: 1_043_000))
    }

    @Test("a clock that steps moves the grid once")
    func steps() {
        var cadence = Cadence(intervalMilliseconds: 1000, now: Timestamp(milliseconds: 500), monotonicMilliseconds: 0)
        let stepped = cadence.take(now: Timestamp(milliseconds: -7400), monotonicMilliseconds: 500)
        #expect(stepped == Timestamp(milliseconds: -8000))
        #expect(cadence.dueMilliseconds == 900)
    }
}
