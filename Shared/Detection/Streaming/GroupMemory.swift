/// Earlier rows of a group as codes, and the distance to their nearest, in two spaces: the columns as shares of their
/// range, and the signed roots of those shares, where small values count more.
///
/// A row is its columns and how far each stands from its own short mean. Two bytes per column and row, a third where
/// roots are compared, each the signed root of what it stands for (so that small values are fine and no table is
/// needed).
struct GroupMemory: Sendable, Equatable {
    /// Codes of a share's root: -0.14…1.135 in steps of a 200th, of a deviation's root: -1…1.
    private static let rootZero: Float = 28
    private static let rootStep: Float = 1 / 200
    private static let deviationZero: Float = 128
    private static let deviationStep: Float = 1 / 127

    let columns: Int
    /// Columns filled up to whole vectors.
    let width: Int
    let rowsMax: Int
    /// Whether rows are compared by roots, too.
    let hasRoots: Bool
    var codes: [UInt8] = []
    var isActive: [Bool] = []
    var strangenesses: [Float] = []
    /// Lower end and span of each column, as the codes take them.
    var lows: [Float]
    var spans: [Float]

    init(columns: Int, rowsMax: Int, hasRoots: Bool) {
        self.hasRoots = hasRoots
        self.columns = columns
        width = (columns + 7) / 8 * 8
        self.rowsMax = rowsMax
        lows = [Float](repeating: 0, count: columns)
        spans = [Float](repeating: 0, count: columns)
    }

    var count: Int { isActive.count }
    var stateBytes: Int { codes.count + 5 * isActive.count + 8 * columns }
    var stride: Int { (hasRoots ? 3 : 2) * width }

    /// A group's row as it is compared: shares, their roots, and both's deviations from the short mean.
    struct Point: Sendable, Equatable {
        var shares: [Float]
        var roots: [Float]
        var shareDeviations: [Float]
        var rootDeviations: [Float]

        init(width: Int) {
            shares = [Float](repeating: 0, count: width)
            roots = shares
            shareDeviations = shares
            rootDeviations = shares
        }

        /// Shares, roots, and their deviations, in this order.
        func withUnsafeVectors(
            _ body: (
                UnsafeRawBufferPointer, UnsafeRawBufferPointer, UnsafeRawBufferPointer, UnsafeRawBufferPointer
            ) -> Void
        ) {
            shares.withUnsafeBytes { one in
                roots.withUnsafeBytes { two in
                    shareDeviations.withUnsafeBytes { three in
                        rootDeviations.withUnsafeBytes { four in body(one, two, three, four) }
                    }
                }
            }
        }
    }

    static func root(_ value: Float) -> Float {
        value < 0 ? -(-value).squareRoot() : value.squareRoot()
    }

    /// Mean distances to the three nearest active rows; no roots, no distance by them.
    func distances(to point: borrowing Point) -> (shares: Float, roots: Float) {
        var shares = Nearest()
        var roots = Nearest()
        codes.withUnsafeBytes { codes in
            point.withUnsafeVectors { pointShares, pointRoots, pointShareDeviations, pointRootDeviations in
                for row in 0..<count where isActive[row] {
                    let at = row * stride
                    var shareSquares = SIMD8<Float>(repeating: 0)
                    var rootSquares = SIMD8<Float>(repeating: 0)
                    for column in Swift.stride(from: 0, to: width, by: 8) {
                        let root = Self.roots(codes, at + column)
                        let share = root * Self.magnitude(root)
                        let deviation = Self.deviations(codes, at + width + column)
                        let apart = share - Self.vector(pointShares, column)
                        let away = deviation - Self.vector(pointShareDeviations, column)
                        shareSquares += apart * apart + away * away
                        guard hasRoots else { continue }
                        let rootDeviation = Self.deviations(codes, at + 2 * width + column)
                        let apartRoot = root - Self.vector(pointRoots, column)
                        let awayRoot = rootDeviation - Self.vector(pointRootDeviations, column)
                        rootSquares += apartRoot * apartRoot + awayRoot * awayRoot
                    }
                    shares.add(shareSquares.sum())
                    if hasRoots { roots.add(rootSquares.sum()) }
                }
            }
        }
        return (shares.meanDistance, roots.meanDistance)
    }

    /// How easily a forest over the active rows isolates the point: `PathForest.score`.
    func isolation(of point: borrowing Point, by forest: PathForest, seed: UInt64) -> Float {
        let code = (0..<columns).map { Self.code(point.shares[$0], zero: Self.rootZero, step: Self.rootStep) }
        let rows = isActive.indices.filter { isActive[$0] }.map { UInt16($0) }
        return forest.score(
            code.span, among: rows.span, of: codes.span, stride: stride, columns: columns, seed: seed)
    }

    /// Whether each row is DBSCAN's noise among all: at most `share` of them.
    func noise(share: Float) -> [Bool] {
        var values: [Float] = []
        values.reserveCapacity(2 * count * columns)
        for row in 0..<count {
            for column in 0..<columns {
                let decoded = decode(row, column)
                values.append(decoded.share)
                values.append(decoded.deviation)
            }
        }
        return DBSCAN.noise(rows: values.span, columns: 2 * columns, share: Double(share))
    }

    /// Squared distance of each column to the nearest active row, as shares.
    func columnDistances(to point: borrowing Point) -> [Float] {
        var best = [Float](repeating: 0, count: columns)
        var bestSum = Float.infinity
        for row in 0..<count where isActive[row] {
            var distances = best
            var sum: Float = 0
            for column in 0..<columns {
                let decoded = decode(row, column)
                let apart = decoded.share - point.shares[column]
                let away = decoded.deviation - point.shareDeviations[column]
                distances[column] = apart * apart + away * away
                sum += distances[column]
            }
            if sum < bestSum { (best, bestSum) = (distances, sum) }
        }
        return best
    }

    @inline(__always)
    private static func vector(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> SIMD8<Float> {
        bytes.loadUnaligned(fromByteOffset: at * 4, as: SIMD8<Float>.self)
    }

    @inline(__always)
    private static func floats(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> SIMD8<Float> {
        SIMD8<Float>(SIMD8<Int32>(truncatingIfNeeded: bytes.loadUnaligned(fromByteOffset: at, as: SIMD8<UInt8>.self)))
    }

    @inline(__always)
    private static func magnitude(_ vector: SIMD8<Float>) -> SIMD8<Float> {
        vector.replacing(with: -vector, where: vector .< 0)
    }

    @inline(__always)
    private static func roots(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> SIMD8<Float> {
        (floats(bytes, at) - rootZero) * rootStep
    }

    @inline(__always)
    private static func deviations(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> SIMD8<Float> {
        let root = (floats(bytes, at) - deviationZero) * deviationStep
        return root * magnitude(root)
    }

    private func decode(_ row: Int, _ column: Int) -> (share: Float, deviation: Float, rootDeviation: Float) {
        let at = row * stride + column
        let root = (Float(codes[at]) - Self.rootZero) * Self.rootStep
        let first = (Float(codes[at + width]) - Self.deviationZero) * Self.deviationStep
        guard hasRoots else { return (root * abs(root), first * abs(first), 0) }
        let second = (Float(codes[at + 2 * width]) - Self.deviationZero) * Self.deviationStep
        return (root * abs(root), first * abs(first), second * abs(second))
    }

    private static func code(_ value: Float, zero: Float, step: Float) -> UInt8 {
        UInt8(min(255, max(0, (root(value) / step + zero).rounded())))
    }

    /// Takes a row at a place up to `count`; it takes part from the next training on.
    mutating func insert(_ point: borrowing Point, strangeness: Float, at place: Int) {
        if place >= count {
            codes.append(contentsOf: repeatElement(0, count: stride))
            isActive.append(false)
            strangenesses.append(0)
        }
        let row = min(place, count - 1)
        isActive[row] = false
        strangenesses[row] = strangeness
        encode(point, row: row)
    }

    /// Takes a row over from another memory of the same columns and ranges, which has roots if this one has.
    mutating func adopt(_ other: borrowing GroupMemory, row: Int, at place: Int) {
        if place >= count {
            codes.append(contentsOf: repeatElement(0, count: stride))
            isActive.append(true)
            strangenesses.append(0)
        }
        let to = min(place, count - 1)
        for byte in 0..<stride { codes[to * stride + byte] = other.codes[row * stride + byte] }
        isActive[to] = true
        strangenesses[to] = other.strangenesses[row]
    }

    private mutating func encode(_ point: borrowing Point, row: Int) {
        let at = row * stride
        for column in 0..<width {
            codes[at + column] = Self.code(point.shares[column], zero: Self.rootZero, step: Self.rootStep)
            codes[at + width + column] = Self.code(
                point.shareDeviations[column], zero: Self.deviationZero, step: Self.deviationStep)
            guard hasRoots else { continue }
            codes[at + 2 * width + column] = Self.code(
                point.rootDeviations[column], zero: Self.deviationZero, step: Self.deviationStep)
        }
    }

    /// Lets what was taken since the last training take part, in columns of these ranges.
    mutating func train(lows newLows: [Float], spans newSpans: [Float]) {
        for row in isActive.indices { isActive[row] = true }
        for column in 0..<columns {
            let isSame =
                abs(newLows[column] - lows[column]) <= 0.02 * newSpans[column]
                && abs(newSpans[column] - spans[column]) <= 0.02 * newSpans[column]
            if isSame { continue }
            let (low, span) = (lows[column], spans[column])
            lows[column] = newLows[column]
            spans[column] = newSpans[column]
            for row in 0..<count where newSpans[column] > 0 {
                recode(row, column, low: low, span: span)
            }
        }
    }

    private mutating func recode(_ row: Int, _ column: Int, low: Float, span: Float) {
        let at = row * stride + column
        let decoded = decode(row, column)
        let ratio = span / spans[column]
        let share = (low + decoded.share * span - lows[column]) / spans[column]
        codes[at] = Self.code(share, zero: Self.rootZero, step: Self.rootStep)
        codes[at + width] = Self.code(
            decoded.deviation * ratio, zero: Self.deviationZero, step: Self.deviationStep)
        guard hasRoots else { return }
        codes[at + 2 * width] = Self.code(
            decoded.rootDeviation * Self.root(ratio), zero: Self.deviationZero, step: Self.deviationStep)
    }
}
