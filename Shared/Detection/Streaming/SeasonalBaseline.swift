/// What the same hour looked like on earlier days: the distance from the mean of the last hours to the nearest of what
/// up to fourteen days had at this time of day.
///
/// The nearest day, not the mean of days: a weekday finds its like among weekdays and a Sunday among Sundays without
/// being told what a week is. Silent until two earlier days are known.
package struct SeasonalBaseline: Sendable, Equatable {
    package static let days = 14
    static let slotMilliseconds: Int64 = 3_600_000
    static let partMilliseconds: Int64 = 300_000
    static let partsKept = 24
    static let slotsKept = (days + 1) * 24
    /// Codes are bytes: means are kept to a 250th of their range, which costs no NAB point.
    static let codeMax: Float = 126
    private static let missing = Int8.min

    /// Means of the hours as codes: `base + step × code`. Empty, as are the parts, while nothing but `base` has come and no
    /// time was left out, as of most of a node's metrics: every hour since the first was the same then.
    var slots: [Int8] = []
    var parts: [Float] = []
    var base: Float = 0
    var step: Float = 0
    var slot: Int64 = .min
    var slotFirst: Int64 = .min
    var slotSum: Float = 0
    var slotCount: Float = 0
    var part: Int64 = .min
    var partSum: Float = 0
    var partCount: Float = 0

    package init() {}

    /// Beside its own size.
    package var stateBytes: Int { slots.count + parts.count * 4 }

    /// Takes a cell's mean; distances of the last hour and the last two hours, or nil where nothing new can be said.
    ///
    /// - Parameter isCoarse: a cell is at least a minute, so it counts before its five minutes are over.
    package mutating func observe(_ value: Float, at time: Int64, isCoarse: Bool) -> (one: Float, two: Float)? {
        let slotNow = floorDivide(time, Self.slotMilliseconds)
        let partNow = floorDivide(time, Self.partMilliseconds)
        if slots.isEmpty {
            if rests(value, slotNow, partNow) { return follow(value, slotNow, partNow, isCoarse: isCoarse) }
            write()
        }
        if slotNow != slot { move(toSlot: slotNow) }
        slotSum += value
        slotCount += 1
        let isNewPart = partNow != part
        if isNewPart { move(toPart: partNow) }
        partSum += value
        partCount += 1
        if isCoarse { parts[index(partNow, Self.partsKept)] = partSum / partCount } else if !isNewPart { return nil }
        return distances(at: time, partNow: isCoarse ? partNow : partNow - 1)
    }

    /// Nothing is new: the value is the one there always was, and the time goes on.
    private func rests(_ value: Float, _ slotNow: Int64, _ partNow: Int64) -> Bool {
        slot == .min || value == base && (0...1).contains(slotNow - slot) && (0...1).contains(partNow - part)
    }

    /// What `observe` says and keeps of a value that rests.
    private mutating func follow(
        _ value: Float, _ slotNow: Int64, _ partNow: Int64, isCoarse: Bool
    ) -> (one: Float, two: Float)? {
        if slot == .min { (slotFirst, base) = (slotNow, value) }
        if slotNow != slot { (slot, slotSum, slotCount) = (slotNow, 0, 0) }
        let isNewPart = partNow != part
        if isNewPart { (part, partSum, partCount) = (partNow, 0, 0) }
        slotSum += value
        slotCount += 1
        partSum += value
        partCount += 1
        guard isCoarse || isNewPart, slot - 2 * 24 - 1 > slotFirst else { return nil }
        return (0, 0)
    }

    /// Writes out the hours and parts that were all the same.
    private mutating func write() {
        slots = [Int8](repeating: Self.missing, count: Self.slotsKept)
        parts = [Float](repeating: .nan, count: Self.partsKept)
        for past in max(slotFirst, slot - Int64(Self.slotsKept) + 1)..<slot { slots[index(past, Self.slotsKept)] = 0 }
        for past in (part - Int64(Self.partsKept) + 1)..<part
        where past >= slotFirst * (Self.slotMilliseconds / Self.partMilliseconds) {
            parts[index(past, Self.partsKept)] = base
        }
        if slot > slotFirst { step = Self.firstStep(base) }
    }

    private static func firstStep(_ base: Float) -> Float { max(abs(base) * 1e-6, .leastNormalMagnitude * 1e6) }

    private mutating func move(toSlot next: Int64) {
        if slot != .min, next > slot {
            if slotCount > 0 { store(slotSum / slotCount, at: slot) }
            for skipped in stride(from: slot + 1, to: min(next, slot + Int64(Self.slotsKept)), by: 1) {
                slots[index(skipped, Self.slotsKept)] = Self.missing
            }
        } else {
            slotFirst = next
            for entry in slots.indices { slots[entry] = Self.missing }
        }
        slot = next
        slots[index(next, Self.slotsKept)] = Self.missing
        (slotSum, slotCount) = (0, 0)
    }

    private mutating func move(toPart next: Int64) {
        if part != .min, next > part {
            parts[index(part, Self.partsKept)] = partCount > 0 ? partSum / partCount : .nan
            for skipped in stride(from: part + 1, to: min(next, part + Int64(Self.partsKept)), by: 1) {
                parts[index(skipped, Self.partsKept)] = .nan
            }
        } else {
            for entry in parts.indices { parts[entry] = .nan }
        }
        part = next
        parts[index(next, Self.partsKept)] = .nan
        (partSum, partCount) = (0, 0)
    }

    private func distances(at time: Int64, partNow: Int64) -> (one: Float, two: Float)? {
        guard let one = mean(parts: 12, to: partNow), let two = mean(parts: 24, to: partNow) else { return nil }
        let share = Float(time - slot * Self.slotMilliseconds) / Float(Self.slotMilliseconds)
        var nearest = (one: Float.infinity, two: Float.infinity)
        var found = 0
        for day in 1...Int64(Self.days) {
            let then = slot - day * 24
            guard then - 1 > slotFirst, let now = value(at: then), let before = value(at: then - 1) else { continue }
            found += 1
            nearest.one = min(nearest.one, abs(one - (before * (1 - share) + now * share)))
            let earlier = value(at: then - 2) ?? before
            nearest.two = min(nearest.two, abs(two - (earlier * (1 - share) + before + now * share) / 2))
        }
        return found < 2 ? nil : nearest
    }

    private func mean(parts count: Int64, to last: Int64) -> Float? {
        var sum: Float = 0
        var present: Float = 0
        for entry in (last - count + 1)...last {
            let value = parts[index(entry, Self.partsKept)]
            if value.isFinite {
                sum += value
                present += 1
            }
        }
        return present > 0 ? sum / present : nil
    }

    private func value(at slot: Int64) -> Float? {
        let code = slots[index(slot, Self.slotsKept)]
        return code == Self.missing ? nil : base + step * Float(code)
    }

    /// Codes are kept fine: the step doubles, and every code with it, when a mean lies outside.
    private mutating func store(_ mean: Float, at slot: Int64) {
        if step == 0 {
            base = mean
            step = Self.firstStep(mean)
        }
        while abs((mean - base) / step) > Self.codeMax {
            step *= 2
            for entry in slots.indices where slots[entry] != Self.missing { slots[entry] /= 2 }
        }
        slots[index(slot, Self.slotsKept)] = Int8(((mean - base) / step).rounded())
    }

    private func index(_ number: Int64, _ count: Int) -> Int {
        let rest = Int(number % Int64(count))
        return rest < 0 ? rest + count : rest
    }

    private func floorDivide(_ time: Int64, _ length: Int64) -> Int64 {
        let quotient = time / length
        return time % length < 0 ? quotient - 1 : quotient
    }
}
