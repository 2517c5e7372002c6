#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One code byte for a standardised value: sinh-spaced, so a 64th of a deviation near the centre and 6 % of the value
/// far out, up to 350 deviations.
enum Compander {
    static let decoded: [Float] = (0..<256).map { sinhf(Float($0 - 128) / 16) / 4 }

    static func code(_ value: Float) -> UInt8 {
        UInt8(min(255, max(1, (asinhf(4 * value) * 16).rounded() + 128)))
    }
}

/// What one cell is compared by: the eight last values, and how it stands to its short and long past.
struct MetricRow {
    /// Values of the last eight cells, newest first.
    var lags: SIMD8<Float>
    /// Difference to the cell before, deviation from the short and the long mean, short deviation.
    var features: SIMD4<Float>
}

/// Up to 64 earlier cells of a metric, as codes, and how far a row is from them.
struct MetricMemory: Sendable, Equatable {
    static let rowsMax = 64
    /// Distances nearer together than this (in deviations) are the codes' doing.
    static let grain: Float = 0.05
    /// Eight lags, four features.
    static let stride = 12
    /// Cells that the memory stands for in the long run; older ones leave by chance.
    static let cellsRemembered: Float = 4_000
    static let forest = PathForest(trees: 16, sample: 32)

    var codes: [UInt8] = []
    /// A bit per row, set once the row takes part.
    var active: UInt64 = 0
    /// Centre and scale of value, difference, short and long deviation, short spread.
    var centres = SIMD8<Float>(repeating: 0)
    var scales = SIMD8<Float>(repeating: 0)

    var count: Int { codes.count / Self.stride }
    var isConstant: Bool { scales[0] <= 0 }

    init() {}
}

/// How far a row is from a metric's memory.
struct MetricStrangeness {
    /// Mean distance to the three nearest rows by shape (eight lags), and by features (value and the four).
    var shape: Float
    var features: Float
    /// How easily a forest over both isolates it: `PathForest.score`.
    var forest: Float
}

extension MetricMemory {
    private func standardised(_ row: MetricRow) -> MetricRow {
        let spread = SIMD4(scales[1], scales[2], scales[3], scales[4])
        let middle = SIMD4(centres[1], centres[2], centres[3], centres[4])
        // A scale of nothing must not make 0 / 0.
        let unit = max(scales[0], 1e-30)
        return MetricRow(lags: (row.lags - centres[0]) / unit, features: (row.features - middle) / spread)
    }

    private static func code(_ point: MetricRow) -> [UInt8] {
        (0..<stride).map { Compander.code($0 < 8 ? point.lags[$0] : point.features[$0 - 8]) }
    }

    func strangeness(of row: MetricRow, seed: UInt64) -> MetricStrangeness {
        let point = standardised(row)
        var shape = Nearest()
        var features = Nearest()
        var rows: [UInt16] = []
        rows.reserveCapacity(count)
        codes.withUnsafeBufferPointer { codes in
            Compander.decoded.withUnsafeBufferPointer { decoded in
                for row in 0..<count where active >> UInt64(row) & 1 == 1 {
                    rows.append(UInt16(row))
                    let at = row * Self.stride
                    var lags = SIMD8<Float>()
                    for lag in 0..<8 { lags[lag] = decoded[Int(codes[at + lag])] }
                    let apart = lags - point.lags
                    let shapeSquared = (apart * apart).sum()
                    var others = SIMD4<Float>()
                    for feature in 0..<4 { others[feature] = decoded[Int(codes[at + 8 + feature])] }
                    let away = others - point.features
                    shape.add(shapeSquared)
                    features.add(apart[0] * apart[0] + (away * away).sum())
                }
            }
        }
        let forest = Self.forest.score(
            Self.code(point).span, among: rows.span, of: codes.span, stride: Self.stride, columns: Self.stride,
            seed: seed)
        return MetricStrangeness(shape: shape.meanDistance, features: features.meanDistance, forest: forest)
    }

    /// Takes a row; it takes part from the next training on.
    mutating func insert(_ row: MetricRow, at place: Int) {
        let place = min(place, count)
        let code = Self.code(standardised(row))
        let at = place * Self.stride
        if place == count {
            codes.append(contentsOf: code)
        } else {
            codes.replaceSubrange(at..<at + code.count, with: code)
        }
        active &= ~(1 << UInt64(place))
    }

    /// Lets the rows taken since the last training take part, but for those that are DBSCAN's noise among all rows (at
    /// most `share` of them), and follows the series' scale.
    mutating func train(share: Float) {
        guard count > 1 else { return }
        rescale()
        let values = codes.map { Compander.decoded[Int($0)] }
        let isNoise = DBSCAN.noise(rows: values.span, columns: Self.stride, share: Double(share))
        for row in (0..<count).reversed() where active >> UInt64(row) & 1 == 0 && isNoise[row] {
            codes.removeSubrange(row * Self.stride..<(row + 1) * Self.stride)
        }
        active = Self.bits(count)
    }

    /// As many lowest bits.
    private static func bits(_ count: Int) -> UInt64 { count >= 64 ? .max : (1 << UInt64(count)) - 1 }

    private mutating func rescale() {
        let rows = (0..<count).map(decodedRow)
        let (middles, spreads) = Self.scales(of: rows)
        var isMoved = false
        for part in 0..<5 {
            let ratio = spreads[part] / max(scales[part], .leastNormalMagnitude)
            if ratio > 1.25 || ratio < 0.8 || abs(middles[part] - centres[part]) > 0.25 * spreads[part] {
                isMoved = true
            }
        }
        guard isMoved else { return }
        (centres, scales) = (middles, spreads)
        let before = active
        for (place, row) in rows.enumerated() { insert(row, at: place) }
        active = before
    }

    /// Starts from raw rows. Of a series that rests one is enough, for all are the same.
    mutating func start(_ rows: [MetricRow]) {
        (centres, scales) = Self.scales(of: rows)
        codes = []
        if !isConstant { codes.reserveCapacity(Self.rowsMax * Self.stride) }
        for row in rows.prefix(isConstant ? 1 : Self.rowsMax) { insert(row, at: count) }
        active = Self.bits(count)
    }

    /// Whether the row is one of a series that has rested all the time.
    func rests(_ row: MetricRow) -> Bool {
        guard isConstant else { return false }
        let least = 1e-6 * abs(centres[0])
        for lag in 0..<8 where abs(row.lags[lag] - centres[0]) > least { return false }
        return true
    }

    /// Writes out the rows of rest that were kept as one, when the series moves.
    mutating func write(rows: Int) {
        guard count == 1, rows > 1 else { return }
        codes.reserveCapacity(Self.rowsMax * Self.stride)
        let row = Array(codes)
        for _ in 1..<min(rows, Self.rowsMax) { codes.append(contentsOf: row) }
        active = Self.bits(count)
    }

    private func decodedRow(_ place: Int) -> MetricRow {
        let at = place * Self.stride
        var row = MetricRow(lags: .zero, features: .zero)
        for lag in 0..<8 { row.lags[lag] = Compander.decoded[Int(codes[at + lag])] * scales[0] + centres[0] }
        for feature in 0..<4 {
            row.features[feature] =
                Compander.decoded[Int(codes[at + 8 + feature])] * scales[feature + 1] + centres[feature + 1]
        }
        return row
    }

    /// Median, and the larger of the scaled MAD and 0.3 standard deviations (a series that rests most of the time has
    /// a MAD of nothing).
    private static func scales(of rows: [MetricRow]) -> (SIMD8<Float>, SIMD8<Float>) {
        var middles = SIMD8<Float>(repeating: 0)
        var spreads = SIMD8<Float>(repeating: 0)
        for part in 0..<5 {
            var values = rows.map { part == 0 ? $0.lags[0] : $0.features[part - 1] }
            values.sort()
            let middle = values[values.count / 2]
            var squares: Float = 0
            var away = values.map { value in
                squares += (value - middle) * (value - middle)
                return abs(value - middle)
            }
            away.sort()
            let deviation = (squares / Float(values.count)).squareRoot()
            middles[part] = middle
            spreads[part] = max(1.4826 * away[away.count / 2], 0.3 * deviation)
        }
        // What never moved has no scale of its own: the value's, or a trifle of it.
        for part in 1..<5 where spreads[part] <= 1e-6 * spreads[0] { spreads[part] = max(spreads[0], 1e-30) }
        return (middles, spreads)
    }
}

/// The three smallest squares seen.
struct Nearest {
    private var first = Float.infinity
    private var second = Float.infinity
    private var third = Float.infinity

    @inline(__always)
    mutating func add(_ square: Float) {
        guard square < third else { return }
        if square < first {
            (first, second, third) = (square, first, second)
        } else if square < second {
            (second, third) = (square, second)
        } else {
            third = square
        }
    }

    var meanDistance: Float {
        third.isFinite ? (first.squareRoot() + second.squareRoot() + third.squareRoot()) / 3 : 0
    }
}
