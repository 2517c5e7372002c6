import Glibc

/// Path lengths of isolation trees (Liu, Ting, Zhou, "Isolation Forest", ICDM 2008, section 2).
enum PathLength {
    private static let eulerGamma = 0.577_215_664_901_532_86

    /// c(n): the mean path length of an unsuccessful search in a binary search tree of `count` points, by which a leaf
    /// that still holds that many is lengthened and a forest's mean path is divided. 0 for one point and for none.
    static func average(_ count: Int) -> Double {
        switch count {
        case ...1: return 0
        case 2: return 1
        default:
            let size = Double(count)
            return 2 * (log(size - 1) + eulerGamma) - 2 * (size - 1) / size
        }
    }

    /// ceil(log2 ψ): trees end there, since only paths shorter than the mean tell anything. 0 for one point.
    static func heightLimit(_ sampleCount: Int) -> Int {
        sampleCount <= 1 ? 0 : Int.bitWidth - (sampleCount - 1).leadingZeroBitCount
    }

    /// 2^(-mean / c(ψ)): near 1 for what is isolated at once, 0.5 for the mean path, towards 0 below it.
    /// With ψ = 1 every path is 0 and nothing can be told apart: 0.5, as scikit-learn has it.
    @inline(__always)
    static func score(mean: Double, average: Double) -> Double { exp2(-(average > 0 ? mean / average : 1)) }
}
