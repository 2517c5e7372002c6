import AgentCore
import Telemetry
import Testing
import WireFormat

@Suite("reports of findings over a sudden end") struct ToldFindingsTests {
    private func finding(_ number: UInt64, until: Int64? = nil) -> Finding {
        Finding(
            id: ID128(high: 7, low: number), group: "cpu", since: Timestamp(seconds: 1_790_000_000 + Int64(number)),
            until: until.map { Timestamp(seconds: 1_790_000_000 + $0) }, score: 0.5,
            peakAt: Timestamp(seconds: 1_790_000_000 + Int64(number)), anomalousCount: 1)
    }

    @Test("what is in the node's file and was not given to the buffer arrives after the next start, once")
    func lost() throws {
        let bench = try ControlBench()
        bench.run(seconds: 20)
        for number in [3, 1, 2] as [UInt64] { bench.keep(finding(number, until: 10 + Int64(number))) }
        for _ in 0..<3 {
            try bench.restart()
            bench.run(seconds: 20)
        }
        #expect(bench.findingRows.map(\.recordCount) == [3])
        // One that was told when it opened, and closed in the file only.
        bench.keep(finding(4, until: 20))
        try bench.restart()
        bench.run(seconds: 20)
        #expect(bench.findingRows.map(\.recordCount) == [3, 1])
        #expect(bench.kept.count == 4)
    }

    @Test("a report is known by its finding and whether it closes; they come in the order in which they changed")
    func untold() {
        var told = ToldFindings()
        told.add([finding(1), finding(2, until: 9)])
        let now = [finding(5), finding(1, until: 8), finding(2, until: 9), finding(3)]
        #expect(told.untold(of: now) == [finding(3), finding(5), finding(1, until: 8)])
        told.add(now)
        #expect(told.untold(of: now).isEmpty)
        #expect(ToldFindings(told.bytes).untold(of: now + [finding(6)]) == [finding(6)])
    }

    @Test("it is bounded, and what does not read is as if nothing had been told")
    func bounds() {
        var told = ToldFindings()
        for number in 0..<2000 as Range<UInt64> { told.add([finding(number)]) }
        let last = (0..<2000 as Range<UInt64>).map { finding($0) }
        #expect(told.bytes.count < 5000)
        #expect(told.untold(of: last).count == 2000 - ToldFindings.reportsMax)
        for end in 0..<told.bytes.count where end % 97 == 0 {
            #expect(ToldFindings(Array(told.bytes[..<end])).untold(of: [finding(1999)]).count == 1)
        }
    }
}
