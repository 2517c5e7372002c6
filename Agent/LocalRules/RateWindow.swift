/// The increase per second of one counter over the last milliseconds.
///
/// What a counter counted after it began anew is added, as in PromQL; nothing is extrapolated. Of a window at most
/// 2 × ``pointsMax`` points are kept, so that memory does not depend on the window: below 1.2 kB.
struct RateWindow: Sendable {
    static let pointsMax = 32

    private let window: Int64
    /// Times ascending, with what was counted since the first sample.
    private var points: [(at: Int64, total: Double)] = []
    private var last: (at: Int64, value: Double)?
    private var total = 0.0

    init(window: Int64) { self.window = window }

    /// A value that is no finite number, or negative, is passed over. After a step back of the clock, or a gap longer
    /// than the window, it begins anew.
    mutating func add(_ value: Double, at time: Int64) {
        guard value.isFinite, value >= 0 else { return }
        guard let last, time > last.at, time - last.at <= window else {
            points = [(time, 0)]
            total = 0
            self.last = (time, value)
            return
        }
        total += value >= last.value ? value - last.value : value
        self.last = (time, value)
        let step = max(1, window / Int64(Self.pointsMax))
        // The newest point moves on until it is a step away from the one before it.
        if points.count > 1, time - points[points.count - 2].at < step {
            points[points.count - 1] = (time, total)
        } else {
            points.append((time, total))
        }
        // The last one at or before the window's start stays, unless it is far before.
        let start = time - window
        while points.count > 2, points[1].at <= start { points.removeFirst() }
        if points.count > 1, points[0].at < start - step { points.removeFirst() }
    }

    /// nil until the points span half of the window.
    var rate: Double? {
        guard let first = points.first, let newest = points.last, newest.at - first.at >= max(1, window / 2) else {
            return nil
        }
        let rate = (newest.total - first.total) / (Double(newest.at - first.at) / 1000)
        return rate.isFinite ? rate : nil
    }
}
