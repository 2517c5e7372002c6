/// Averages samples that lie near together, so that a second's jitter costs neither state nor alarms.
package struct Cell: Sendable, Equatable {
    var start: Int64 = .min
    var last: Int64 = .min
    var sum: Double = 0
    var count: Double = 0
    /// Distance between the last two samples, in milliseconds; 0 before there are two.
    var step: Int64 = 0

    package init() {}

    /// The last sample opened its cell.
    var isFresh: Bool { count <= 1 && start == last }

    /// What a sample's arrival means.
    enum Arrival: Equatable {
        /// It belongs to the open cell, or opens one; nothing to judge yet.
        case open
        /// It completes a cell.
        case complete(mean: Double, at: Int64)
        /// Its time is not after the sample's before.
        case outOfOrder
    }

    mutating func add(_ value: Double, at time: Int64, length: Int64) -> Arrival {
        if last != .min {
            guard time > last else { return .outOfOrder }
            step = time - last
        }
        last = time
        if count == 0 || time - start >= 2 * length {
            (start, sum, count) = (time, 0, 0)
        }
        sum += value
        count += 1
        // The sample's own step counts: ten samples of a second are a cell of ten seconds.
        guard step > 0, time - start + min(step, length) >= length else { return .open }
        let mean = sum / count
        (sum, count) = (0, 0)
        return .complete(mean: mean, at: time)
    }

    /// Forgets the time, after a clock that stepped back; the open cell's samples stay unjudged.
    mutating func restart() {
        (start, last, sum, count) = (.min, .min, 0, 0)
    }
}
