import Detection
import Testing

@Suite("How much a rate rose") struct RateRiseTests {
    private func rise(_ happened: Int, of seen: Int, before: Int, of seenBefore: Int) -> Double {
        RateRise(
            within: RateRise.Count(seen: seen, happened: happened),
            before: RateRise.Count(seen: seenBefore, happened: before)
        ).score
    }

    @Test("the score is the signed root of Dunning's ratio")
    func values() {
        // G² = 2 Σ observed × ln(observed / expected) over the table [[10, 10], [10, 70]].
        #expect(abs(rise(10, of: 20, before: 10, of: 80) - 3.474_388) < 1e-3)
        #expect(abs(rise(10, of: 80, before: 10, of: 20) + 3.474_388) < 1e-3)
        #expect(rise(5, of: 50, before: 20, of: 200) == 0)
        #expect(rise(0, of: 50, before: 0, of: 200) == 0)
        #expect(rise(0, of: 0, before: 3, of: 200) == 0)
    }

    @Test("more of the same counts more, a higher rate counts more, and nothing before is not certainty")
    func order() {
        #expect(rise(20, of: 40, before: 0, of: 160) > rise(10, of: 20, before: 0, of: 80))
        #expect(rise(10, of: 20, before: 0, of: 80) > rise(5, of: 20, before: 0, of: 80))
        #expect(rise(5, of: 20, before: 0, of: 80) > rise(5, of: 20, before: 4, of: 80))
        #expect(rise(20, of: 20, before: 0, of: 0) > 0)
        #expect(rise(20, of: 20, before: 0, of: 0) < rise(20, of: 20, before: 0, of: 80))
        #expect(rise(Int(1e9), of: Int(1e9), before: 0, of: Int(4e9)).isFinite)
    }
}
