/// Which six bytes occur more than once in a set of streams, about: what zstd will find matches for.
///
/// Every sixteenth run of six bytes is looked at, chosen by its hash so that equal runs are chosen alike. Of runs that
/// share a slot of the table the first stays; 30 bits tell it from the others.
final class StreamRepetitions {
    /// A run's tag, whose lowest bit says whether it came again; 0 is free.
    private let slots: UnsafeMutablePointer<UInt32>
    private let shift: UInt64
    /// The hashes of the streams that are asked for, one after the other.
    private var hashes: [UInt64] = []

    private static let bitsRange = 8...18

    /// - Parameter bytes: of all streams together; memory is about that, at most 1 MiB for the table.
    init(bytes: Int) {
        let wanted = Int.bitWidth - (bytes / 16).leadingZeroBitCount
        let bits = min(max(wanted, Self.bitsRange.lowerBound), Self.bitsRange.upperBound)
        shift = UInt64(64 - bits)
        slots = .allocate(capacity: 1 << bits)
        slots.initialize(repeating: 0, count: 1 << bits)
        hashes.reserveCapacity(bytes / 16)
    }

    deinit { slots.deallocate() }

    /// - Parameter isKept: ``share(_:)`` will be asked for it.
    /// - Returns: the number to ask for.
    func enter(_ stream: UnsafePointer<UInt8>, _ length: Int, isKept: Bool) -> Range<Int> {
        let start = hashes.count
        var offset = 0
        while offset + 8 <= length {
            let word = UInt64(littleEndian: UnsafeRawPointer(stream + offset).loadUnaligned(as: UInt64.self))
            offset += 1
            let hash = (word &<< 16) &* 0x9e37_79b9_7f4a_7c15
            guard hash >> 32 & 15 == 0 else { continue }
            let slot = slots + Int(hash >> shift)
            let tag = Self.tag(hash)
            if slot.pointee == 0 {
                slot.pointee = tag
            } else if slot.pointee & ~1 == tag {
                slot.pointee |= 1
            }
            if isKept { hashes.append(hash) }
        }
        return start..<hashes.count
    }

    /// The share of a stream's runs that came more than once, 0...1. When all streams were entered.
    func share(_ runs: Range<Int>) -> Double {
        var repeated = 0
        for hash in hashes[runs] where slots[Int(hash >> shift)] == Self.tag(hash) | 1 { repeated += 1 }
        return runs.isEmpty ? 0 : Double(repeated) / Double(runs.count)
    }

    private static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 14) & ~1 | 2 }
}
