import RuntimeSupport

/// The rows that `Golden/record.py` makes, from the same seeds to the last bit.
enum GoldenRows {
    static func make(_ name: String, seed: UInt64, count: Int, columns: Int) -> [Float] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).flatMap { row -> [Float] in
            let values: [Double]
            switch name {
            case "bell":
                let drawn = (0..<columns).map { _ in bell(&random) }
                values = row % 40 == 0 ? drawn.map { 8 * $0 } : drawn
            case "clusters":
                let centre = 6 * Double(random.next() % 3)
                let drawn = (0..<columns).map { _ in centre + bell(&random) }
                values = row % 25 == 0 ? (0..<columns).map { _ in 30 * unit(&random) - 8 } : drawn
            case "dependent":
                let base = bell(&random)
                var drawn = [base, base + 0.2 * bell(&random), base * base, unit(&random), 3]
                if row % 50 == 0 { drawn[1] = -2 * base }
                values = Array(drawn[..<columns])
            case "ladder":
                let share = unit(&random)
                let cube = share * share * share
                values = (0..<columns).map { _ in 1000 * (cube * cube) + 0.1 * unit(&random) }
            case "grid":
                values = (0..<columns).map { _ in Double(random.next() % 12) }
            default: preconditionFailure("no rows named \(name)")
            }
            return values.map { Float($0) }
        }
    }

    static func unit(_ random: inout SeededGenerator) -> Double { Double(random.next() >> 11) * 0x1p-53 }
    static func bell(_ random: inout SeededGenerator) -> Double {
        var sum = 0.0
        for _ in 0..<12 { sum += unit(&random) }
        return sum - 6
    }
}
