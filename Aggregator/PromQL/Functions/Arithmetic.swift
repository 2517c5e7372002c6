import Glibc

/// The operators on numbers.
enum Arithmetic {
    /// Comparisons give 1 or 0.
    @inline(__always)
    static func apply(_ operation: BinaryOperator, _ left: Double, _ right: Double) -> Double {
        switch operation {
        case .add: left + right
        case .subtract: left - right
        case .multiply: left * right
        case .divide: left / right
        case .modulo: fmod(left, right)
        case .power: pow(left, right)
        case .arcTangent: atan2(left, right)
        default: compare(operation, left, right) ? 1 : 0
        }
    }

    @inline(__always)
    static func compare(_ operation: BinaryOperator, _ left: Double, _ right: Double) -> Bool {
        switch operation {
        case .equal: left == right
        case .notEqual: left != right
        case .greater: left > right
        case .less: left < right
        case .greaterOrEqual: left >= right
        case .lessOrEqual: left <= right
        default: false
        }
    }
}

/// Summation by Kahan and Neumaier: the rounding errors are summed too.
struct KahanSum {
    var sum = 0.0
    var compensation = 0.0

    init() {}
    @inline(__always) init(_ sum: Double, _ compensation: Double = 0) {
        self.sum = sum
        self.compensation = compensation
    }

    @inline(__always) mutating func add(_ increment: Double) {
        let total = sum + increment
        if total.isInfinite {
            compensation = 0
        } else if abs(sum) >= abs(increment) {
            compensation += (sum - total) + increment
        } else {
            compensation += (increment - total) + sum
        }
        sum = total
    }

    @inline(__always) var total: Double { sum + compensation }
}

/// A mean that is the sum over the count as long as the sum does not overflow, and incremental from there on.
struct KahanMean {
    private var accumulated = KahanSum()
    private(set) var count = 0.0
    private var isIncremental = false

    /// Of nothing yet.
    @inline(__always) init() {}
    @inline(__always) init(_ first: Double) {
        accumulated = KahanSum(first)
        count = 1
    }

    @inline(__always) mutating func add(_ value: Double) {
        count += 1
        if count == 1 {
            accumulated = KahanSum(value)
            return
        }
        if !isIncremental {
            var next = accumulated
            next.add(value)
            if !next.sum.isInfinite {
                accumulated = next
                return
            }
            isIncremental = true
            accumulated.sum /= count - 1
            accumulated.compensation /= count - 1
        }
        let weight = (count - 1) / count
        accumulated = KahanSum(weight * accumulated.sum, weight * accumulated.compensation)
        accumulated.add(value / count)
    }

    @inline(__always) var mean: Double {
        isIncremental ? accumulated.total : accumulated.sum / count + accumulated.compensation / count
    }
}

enum Quantile {
    /// The q-quantile of values in any order, interpolated between neighbours; NaN counts as the smallest.
    static func of(_ q: Double, _ values: inout [Double]) -> Double {
        guard !values.isEmpty, !q.isNaN else { return .nan }
        if q < 0 { return -.infinity }
        if q > 1 { return .infinity }
        values.sort { $0.isNaN ? !$1.isNaN : $0 < $1 }
        let rank = q * Double(values.count - 1)
        let lower = max(0, rank.rounded(.down))
        let upper = min(Double(values.count - 1), lower + 1)
        let weight = rank - rank.rounded(.down)
        return values[Int(lower)] * (1 - weight) + values[Int(upper)] * weight
    }
}
