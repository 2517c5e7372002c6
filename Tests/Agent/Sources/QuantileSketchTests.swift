import RuntimeSupport
import Sources
import Testing

@Suite("sources: quantile sketch")
struct QuantileSketchTests {
    /// The relative error of the estimate against the value of that rank among all.
    private func worstError(_ values: [Double]) -> Double {
        var sketch = QuantileSketch()
        for value in values { sketch.add(value) }
        let sorted = values.sorted()
        var worst = 0.0
        for quantile in [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0] {
            let exact = sorted[Int(quantile * Double(values.count - 1))]
            guard let estimate = sketch.value(at: quantile) else { return .infinity }
            worst = max(worst, abs(estimate - exact) / max(abs(exact), QuantileSketch.smallest))
        }
        return worst
    }

    @Test("estimates lie within the relative error, whatever the distribution", arguments: 0..<40)
    func errorBound(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let count = Int.random(in: 1...3000, using: &random)
        let shape = seed % 4
        let values = (0..<count).map { _ -> Double in
            let unit = Double.random(in: 0.000_001..<1, using: &random)
            return switch shape {
            case 0: unit
            case 1: 1 / unit  // heavy tail over six decades
            case 2: (unit - 0.5) * 1000  // both signs
            default: Bool.random(using: &random) ? 0 : unit * 1e9
            }
        }
        #expect(worstError(values) <= QuantileSketch.relativeError * 1.000_001, "seed \(seed)")
    }

    @Test("weights count as repeated values")
    func weights() {
        var sketch = QuantileSketch()
        sketch.add(1, weight: 90)
        sketch.add(100, weight: 10)
        #expect(sketch.count == 100)
        #expect(abs((sketch.value(at: 0.5) ?? 0) - 1) <= 0.01)
        #expect(abs((sketch.value(at: 0.95) ?? 0) - 100) <= 1)
    }

    @Test("memory is bounded over all finite numbers, and the upper ranks keep their bound")
    func extremes() {
        var sketch = QuantileSketch()
        for exponent in -300...300 { sketch.add(Double("1e\(exponent)") ?? 0) }
        for exponent in (-300...300).reversed() { sketch.add(Double("1e\(exponent)") ?? 0) }
        sketch.add(-.greatestFiniteMagnitude)
        #expect(abs((sketch.value(at: 1) ?? 0) / 1e300 - 1) <= 0.01)
        #expect(sketch.value(at: 0) == -.greatestFiniteMagnitude)
    }

    @Test("what is not a finite value or a positive weight is ignored")
    func ignored() {
        var sketch = QuantileSketch()
        sketch.add(.nan)
        sketch.add(.infinity)
        sketch.add(1, weight: 0)
        sketch.add(1, weight: .nan)
        #expect(sketch.isEmpty && sketch.value(at: 0.5) == nil)
    }
}
