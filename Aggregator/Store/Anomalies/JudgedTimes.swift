/// Times of samples that lie together in the store, and which of them their agent judged anomalous.
package struct JudgedTimes: Sendable {
    /// Ascending, milliseconds before the shift.
    package let times: [Int64]
    /// Indexes of those in range.
    package let kept: Range<Int>
    /// Milliseconds to add.
    package let shift: Int64
    /// Indexes of anomalous ones among `kept`, ascending.
    package let anomalies: [Int]
}

/// A stretch of time in equal slots, and in which of them something is. A slot counts once however many samples it has,
/// so that series of different intervals are comparable, and one long trouble is not many.
struct TimeSlots {
    let start: Int64
    /// Milliseconds.
    let width: Int64
    let count: Int
    private var words: [UInt64]

    /// - Precondition: `width > 0`.
    init(start: Int64, width: Int64, count: Int) {
        precondition(width > 0, "slots of \(width) ms")
        self.start = start
        self.width = width
        self.count = count
        words = Array(repeating: 0, count: (count + 63) / 64)
    }

    mutating func removeAll() { for index in words.indices { words[index] = 0 } }

    mutating func insert(_ time: Int64) {
        let (distance, isBeyond) = time.subtractingReportingOverflow(start)
        guard !isBeyond, distance >= 0, distance / width < count else { return }
        let slot = Int(distance / width)
        words[slot / 64] |= 1 << UInt64(slot % 64)
    }

    /// How many of the slots in `range` hold something.
    func filled(_ range: Range<Int>) -> Int {
        range.reduce(0) { $0 + (words[$1 / 64] & (1 << UInt64($1 % 64)) == 0 ? 0 : 1) }
    }
}
