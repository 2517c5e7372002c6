/// Which series number an encoded label set has, so that a known series costs a hash and no string.
///
/// Entries stand in the order in which they were learnt, each with the one that followed it last time: a sender keeps
/// its order from body to body, so the next series is mostly found there, without a miss of the processor's caches in
/// the open-addressed table behind it (at most half full). Bounded: at ``capacity`` it is emptied, and series are
/// resolved anew.
/// - Complexity: 24 bytes per series, and 8 to 16 in the table.
struct SeriesNumberCache: Sendable {
    private struct Entry {
        var fingerprint: SeriesFingerprint
        var number: UInt32
        /// Place of the entry that was asked for after this one.
        var follower: UInt32
    }

    let capacity: Int
    private var entries: [Entry] = []
    /// Place of an entry + 1; 0: free.
    private var slots: [UInt32]
    private var last = 0

    private static var slotsMin: Int { 1024 }

    init(capacity: Int) {
        self.capacity = min(max(1, capacity), 1 << 30)
        slots = Array(repeating: 0, count: Self.slotsMin)
    }

    @inline(__always)
    mutating func number(of fingerprint: SeriesFingerprint) -> UInt32? {
        if last < entries.count {
            let guess = Int(entries[last].follower)
            if guess < entries.count, entries[guess].fingerprint == fingerprint {
                last = guess
                return entries[guess].number
            }
        }
        return search(fingerprint)
    }

    @inline(never)
    private mutating func search(_ fingerprint: SeriesFingerprint) -> UInt32? {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: fingerprint.low) & mask
        while slots[index] != 0 {
            let place = Int(slots[index]) - 1
            if entries[place].fingerprint == fingerprint {
                follow(with: place)
                return entries[place].number
            }
            index = (index + 1) & mask
        }
        return nil
    }

    private mutating func follow(with place: Int) {
        entries[last].follower = UInt32(place)
        last = place
    }

    /// The fingerprint must not be held yet.
    mutating func insert(_ fingerprint: SeriesFingerprint, _ number: UInt32) {
        if entries.count >= capacity { removeAll() }
        if (entries.count + 1) * 2 > slots.count { grow() }
        entries.append(Entry(fingerprint: fingerprint, number: number, follower: UInt32(entries.count + 1)))
        index(entries.count - 1)
        follow(with: entries.count - 1)
    }

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        slots = Array(repeating: 0, count: Self.slotsMin)
        last = 0
    }

    private mutating func index(_ place: Int) {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: entries[place].fingerprint.low) & mask
        while slots[index] != 0 { index = (index + 1) & mask }
        slots[index] = UInt32(place + 1)
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for place in entries.indices { index(place) }
    }
}
