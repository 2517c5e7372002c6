import Glibc

/// How much more often something happens in a window than before it, given how much was seen of either: the signed root
/// of the log-likelihood ratio of two binomial samples (Dunning, "Accurate methods for the statistics of surprise and
/// coincidence", Computational Linguistics 19, 1993):
///
///     −2 ln λ = 2 [ln L(k₁/n₁; k₁, n₁) + ln L(k₀/n₀; k₀, n₀) − ln L(p; k₁, n₁) − ln L(p; k₀, n₀)]
///     ln L(p; k, n) = k ln p + (n − k) ln(1 − p),   p = (k₁ + k₀) / (n₁ + n₀)
///
/// It stays meaningful where counts are small or 0, which a ratio or a difference of rates does not.
package struct RateRise: Sendable, Hashable {
    /// Times that were looked at, and those at which it happened.
    package struct Count: Sendable, Hashable {
        package var seen: Int
        package var happened: Int
        package init(seen: Int = 0, happened: Int = 0) {
            self.seen = seen
            self.happened = happened
        }
        /// 0…1; 0 if nothing was seen.
        package var rate: Double { seen > 0 ? Double(happened) / Double(seen) : 0 }
        package static func += (left: inout Count, right: Count) {
            left.seen += right.seen
            left.happened += right.happened
        }
    }
    package var within: Count
    package var before: Count

    package init(within: Count = Count(), before: Count = Count()) {
        self.within = within
        self.before = before
    }

    /// √(−2 ln λ): about a number of standard deviations. Above 0 if the rate rose, below if it fell. Where nothing was
    /// seen before, before counts as one time at which it did not happen.
    package var score: Double {
        guard within.seen > 0 else { return 0 }
        let before = before.seen > 0 ? before : Count(seen: 1)
        let pooled = Double(within.happened + before.happened) / Double(within.seen + before.seen)
        let ratio =
            Self.logLikelihood(within, within.rate) + Self.logLikelihood(before, before.rate)
            - Self.logLikelihood(within, pooled) - Self.logLikelihood(before, pooled)
        let size = max(0, 2 * ratio).squareRoot()
        return within.rate < before.rate ? -size : size
    }

    private static func logLikelihood(_ count: Count, _ share: Double) -> Double {
        let happened = count.happened > 0 ? Double(count.happened) * log(share) : 0
        let missed = count.seen - count.happened
        return happened + (missed > 0 ? Double(missed) * log(1 - share) : 0)
    }

    package static func += (left: inout RateRise, right: RateRise) {
        left.within += right.within
        left.before += right.before
    }
}
