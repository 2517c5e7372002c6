import AggregatorCore
import Store
import Testing

@Suite("The pace of compaction") struct CompactionPaceTests {
    private static func rest(_ milliseconds: Int64, didWork: Bool = true, isBehind: Bool = false) -> Int64 {
        var round = TenantStore.CompactionResult()
        (round.didWork, round.isBehind) = (didWork, isBehind)
        return CompactionPace.rest(after: round, milliseconds: milliseconds)
    }

    @Test("it rests as long as it worked, within bounds, and hardly when it is behind")
    func rests() {
        #expect(Self.rest(80) == 80)
        #expect(Self.rest(0) == 10)
        #expect(Self.rest(30_000) == 500)
        #expect(Self.rest(80, isBehind: true) == 10)
        #expect(Self.rest(80, didWork: false) == 1000)
    }
}
