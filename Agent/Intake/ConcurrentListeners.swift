import Telemetry

/// Counts who is listening now, for each label combination, from the intervals of their plays.
///
/// A play's interval is known exactly only afterwards. So:
/// * an event without `ms_played` announces a start: its listener counts until `at` + track length (180 s where
///   unknown, ListenBrainz's estimate), or until the revision that ends the play;
/// * an event with `ms_played` counts until `at + ms_played`. Where the listener announces no starts and the play did
///   not end by `stop`, `error` or `remote`, the next one is presumed to follow: they count for ``bridgeMilliseconds``
///   more, or until their next event.
/// A listener is the user's pseudonym, else the session, else the event. At most ``capacity`` are followed; further
/// ones are not counted, and said to be so in ``untrackedTotal``.
struct ConcurrentListeners: Sendable {
    static let bridgeMilliseconds: Int64 = 240_000
    static let unknownTrackMilliseconds: Int64 = 180_000

    private struct Listener: Sendable {
        var until: Int64
        var combination: UInt16
        var announces: Bool
        /// The time of this listener's one valid entry in the heap; others are stale.
        var look: Int64
    }

    let capacity: Int
    private(set) var counts: [Int] = []
    private(set) var untrackedTotal = 0
    private var listeners: [UserPseudonym: Listener] = [:]
    private var expiries = ExpiryHeap()

    init(capacity: Int) { self.capacity = capacity }

    mutating func record(_ event: ListeningEvent, combination: UInt16, now: Timestamp) {
        let key = Self.listenerKey(event)
        let isAnnouncement = event[.millisecondsPlayed] == nil
        let announces = isAnnouncement || listeners[key]?.announces == true
        var duration: Int64
        if let played = event[.millisecondsPlayed] {
            duration = played
            let goesOn = !["stop", "error", "remote"].contains(event[.endReason] ?? "")
            if goesOn, !announces { duration += Self.bridgeMilliseconds }
        } else {
            duration = event[.trackMilliseconds] ?? Self.unknownTrackMilliseconds
        }
        let until = event.at.advanced(byMilliseconds: duration).milliseconds
        while counts.count <= Int(combination) { counts.append(0) }
        if let known = listeners[key] {
            counts[Int(known.combination)] -= 1
            counts[Int(combination)] += 1
            // The end of a play may cut its announcement short; an earlier event that comes late does not.
            let isLater = until > known.until || (!isAnnouncement && event.revision > 0)
            let until = isLater ? until : known.until
            let look = min(until, known.look)
            listeners[key] = Listener(until: until, combination: combination, announces: announces, look: look)
            if look < known.look { schedule(look, key) }
        } else if until > now.milliseconds {
            guard listeners.count < capacity else {
                untrackedTotal += 1
                return
            }
            listeners[key] = Listener(until: until, combination: combination, announces: announces, look: until)
            counts[Int(combination)] += 1
            schedule(until, key)
        }
    }

    /// Stale entries are dropped when their time comes, and all at once where they outnumber the valid ones.
    private mutating func schedule(_ time: Int64, _ key: UserPseudonym) {
        expiries.push(time, key)
        guard expiries.count > 4 * capacity else { return }
        expiries = ExpiryHeap()
        for (key, listener) in listeners { expiries.push(listener.look, key) }
    }

    /// Lets go of those whose interval has passed.
    /// - Complexity: O(expired · log listeners).
    mutating func expire(now: Timestamp) {
        while let first = expiries.first, first.until <= now.milliseconds {
            expiries.pop()
            guard let listener = listeners[first.key], listener.look == first.until else { continue }
            if listener.until > now.milliseconds {
                listeners[first.key]?.look = listener.until  // played on since
                schedule(listener.until, first.key)
            } else {
                counts[Int(listener.combination)] -= 1
                listeners[first.key] = nil
            }
        }
    }

    private static func listenerKey(_ event: ListeningEvent) -> UserPseudonym {
        if let user = event.user { return user }
        // Two hashes under a per-process key; only ever compared within the process.
        let text = event[.session] ?? event.id
        var first = Hasher()
        first.combine(text)
        var second = first
        second.combine(event[.session] == nil)
        return UserPseudonym(
            high: UInt64(bitPattern: Int64(first.finalize())), low: UInt64(bitPattern: Int64(second.finalize())))
    }
}

/// A binary heap of times at which to look at a listener again.
private struct ExpiryHeap: Sendable {
    struct Entry: Sendable {
        var until: Int64
        var key: UserPseudonym
    }
    private var entries: [Entry] = []

    var first: Entry? { entries.first }
    var count: Int { entries.count }

    mutating func push(_ until: Int64, _ key: UserPseudonym) {
        entries.append(Entry(until: until, key: key))
        var child = entries.count - 1
        while child > 0, entries[child].until < entries[(child - 1) / 2].until {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() {
        guard let last = entries.popLast(), !entries.isEmpty else { return }
        entries[0] = last
        var parent = 0
        while true {
            var least = 2 * parent + 1
            guard least < entries.count else { return }
            if least + 1 < entries.count, entries[least + 1].until < entries[least].until { least += 1 }
            guard entries[least].until < entries[parent].until else { return }
            entries.swapAt(least, parent)
            parent = least
        }
    }
}
