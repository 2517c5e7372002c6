import Glibc

/// Quantiles of a stream of values in bounded memory: values fall into buckets whose bounds grow by a constant factor
/// (DDSketch, Masson, Rim and Lee, VLDB 2019).
///
/// An estimate lies within ``relativeError`` of a value that has the asked rank, as long as the values of one sign span
/// less than a factor of 10^17; beyond that the buckets nearest zero become one, and only ranks within it lose their
/// bound. Magnitudes below ``smallest`` count as zero.
/// Cost: one logarithm per value, 8 bytes per bucket between the smallest and the largest value seen.
public struct QuantileSketch: Sendable {
    public static let relativeError = 0.01
    public static let bucketsMax = 2048
    public static let smallest = 1e-12
    private static let growth = (1 + relativeError) / (1 - relativeError)
    private static let scale = 1 / log(growth)

    private var positive = Buckets()
    private var negative = Buckets()
    private var zeros = 0.0
    /// Sum of the weights.
    public private(set) var count = 0.0
    private var least = Double.infinity
    private var greatest = -Double.infinity

    public init() {}

    public var isEmpty: Bool { count == 0 }

    /// - Parameter weight: how many values it stands for; more than 0.
    /// - Precondition: none; what is not finite is ignored.
    public mutating func add(_ value: Double, weight: Double = 1) {
        guard value.isFinite, weight.isFinite, weight > 0 else { return }
        count += weight
        least = min(least, value)
        greatest = max(greatest, value)
        let magnitude = abs(value)
        if magnitude < Self.smallest {
            zeros += weight
        } else if value > 0 {
            positive.add(Self.index(of: magnitude), weight)
        } else {
            negative.add(Self.index(of: magnitude), weight)
        }
    }

    /// - Parameter quantile: 0...1.
    /// - Returns: nil without values.
    public func value(at quantile: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = min(max(quantile, 0), 1) * max(0, count - 1)
        var passed = 0.0
        for offset in negative.weights.indices.reversed() {
            passed += negative.weights[offset]
            if passed > rank { return clamped(-Self.middle(negative.lowest + offset)) }
        }
        passed += zeros
        if passed > rank { return clamped(0) }
        for (offset, weight) in positive.weights.enumerated() {
            passed += weight
            if passed > rank { return clamped(Self.middle(positive.lowest + offset)) }
        }
        return greatest
    }

    public mutating func removeAll() {
        positive.removeAll()
        negative.removeAll()
        zeros = 0
        count = 0
        least = .infinity
        greatest = -.infinity
    }

    private func clamped(_ value: Double) -> Double { min(max(value, least), greatest) }

    /// The bucket (growth^(i-1), growth^i]. Finite magnitudes give indexes of some ±36 000.
    private static func index(of magnitude: Double) -> Int { Int((log(magnitude) * scale).rounded(.up)) }
    /// The value with the least relative error for all of a bucket.
    private static func middle(_ index: Int) -> Double { 2 * exp(Double(index) / scale) / (growth + 1) }

    private struct Buckets: Sendable {
        var lowest = 0
        var weights: [Double] = []

        mutating func add(_ index: Int, _ weight: Double) {
            if weights.isEmpty {
                lowest = index
                weights.append(weight)
                return
            }
            var index = index
            if index >= lowest + weights.count {
                weights.append(contentsOf: repeatElement(0, count: min(index - lowest + 1 - weights.count, growMax)))
                collapse(keeping: index)
            } else if index < lowest {
                let room = QuantileSketch.bucketsMax - weights.count
                let added = min(lowest - index, room)
                weights.insert(contentsOf: repeatElement(0, count: added), at: 0)
                lowest -= added
                index = max(index, lowest)
            }
            weights[index - lowest] += weight
        }

        private var growMax: Int { 2 * QuantileSketch.bucketsMax }

        /// Makes room for `index` as the highest bucket by joining the lowest ones.
        private mutating func collapse(keeping index: Int) {
            let first = index - QuantileSketch.bucketsMax + 1
            guard first > lowest else { return }
            let joined = weights.prefix(first - lowest).reduce(0, +)
            var kept = Array(weights.dropFirst(first - lowest))
            kept.append(contentsOf: repeatElement(0, count: max(0, QuantileSketch.bucketsMax - kept.count)))
            kept[0] += joined
            weights = Array(kept.prefix(QuantileSketch.bucketsMax))
            lowest = first
        }

        mutating func removeAll() {
            weights.removeAll(keepingCapacity: true)
            lowest = 0
        }
    }
}
