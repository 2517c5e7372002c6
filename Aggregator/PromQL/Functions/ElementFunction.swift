import Glibc

/// Functions of each sample of an instant vector by itself.
enum ElementFunction: String, Sendable {
    case abs, acos, acosh, asin, asinh, atan, atanh, ceil, cos, cosh, deg, exp, floor, ln, log10, log2, rad, round,
        sgn, sin, sinh, sqrt, tan, tanh, clamp
    case clampMax = "clamp_max"
    case clampMin = "clamp_min"
    /// `round` with a second argument.
    case roundTo = "round to"

    init?(name: String, arguments: Int) {
        if name == "round", arguments > 1 { self = .roundTo } else { self.init(rawValue: name) }
    }

    /// Applies the function to every sample of a frame.
    /// - Parameter parameters: one column per parameter, a value per step.
    func apply(to frame: inout Frame, _ parameters: [[Double]]) {
        switch self {
        case .abs: frame.map { Swift.abs($0) }
        case .acos: frame.map { Glibc.acos($0) }
        case .acosh: frame.map { Glibc.acosh($0) }
        case .asin: frame.map { Glibc.asin($0) }
        case .asinh: frame.map { Glibc.asinh($0) }
        case .atan: frame.map { Glibc.atan($0) }
        case .atanh: frame.map { Glibc.atanh($0) }
        case .ceil: frame.map { $0.rounded(.up) }
        case .cos: frame.map { Glibc.cos($0) }
        case .cosh: frame.map { Glibc.cosh($0) }
        case .deg: frame.map { $0 * 180 / .pi }
        case .exp: frame.map { Glibc.exp($0) }
        case .floor: frame.map { $0.rounded(.down) }
        case .ln: frame.map { Glibc.log($0) }
        case .log10: frame.map { Glibc.log10($0) }
        case .log2: frame.map { Glibc.log2($0) }
        case .rad: frame.map { $0 * .pi / 180 }
        case .round: frame.map { ($0 + 0.5).rounded(.down) }
        case .sgn: frame.map { $0 < 0 ? -1 : $0 > 0 ? 1 : $0 }
        case .sin: frame.map { Glibc.sin($0) }
        case .sinh: frame.map { Glibc.sinh($0) }
        case .sqrt: frame.map { $0.squareRoot() }
        case .tan: frame.map { Glibc.tan($0) }
        case .tanh: frame.map { Glibc.tanh($0) }
        case .roundTo:
            // The inverse loses less, as in Prometheus.
            frame.mapSteps { value, step in
                let inverse = 1 / parameters[0][step]
                return (value * inverse + 0.5).rounded(.down) / inverse
            }
        case .clampMax: frame.mapSteps { Self.least($0, parameters[0][$1]) }
        case .clampMin: frame.mapSteps { Self.greatest($0, parameters[0][$1]) }
        case .clamp:
            // Bounds in the wrong order leave nothing.
            frame.mapSteps { value, step in
                let (low, high) = (parameters[0][step], parameters[1][step])
                return high < low ? Frame.absent : Self.greatest(low, Self.least(high, value))
            }
        }
        frame.dropNames()
    }

    /// Minimum and maximum that are NaN when either is.
    static func least(_ one: Double, _ other: Double) -> Double {
        one.isNaN || other.isNaN ? .nan : one < other ? one : other
    }
    static func greatest(_ one: Double, _ other: Double) -> Double {
        one.isNaN || other.isNaN ? .nan : one > other ? one : other
    }
}
