package import WireFormat

/// A set of sequence numbers that grows towards "everything up to n": `contiguous` plus at most
/// ``IngestLimits/rangesMax`` ranges above it. Sequences start at 1.
package struct SequenceSet: Hashable, Sendable {
    /// All of `1...contiguous` is in the set; 0 when 1 is not.
    package private(set) var contiguous: UInt64 = 0
    /// Above `contiguous + 1`, ascending, disjoint, never adjacent.
    package private(set) var ranges: [ClosedRange<UInt64>] = []

    package init() {}

    /// The number of sequences in the set.
    package var count: UInt64 {
        ranges.reduce(contiguous) { $0 &+ ($1.upperBound - $1.lowerBound + 1) }
    }
    /// The highest sequence in the set, 0 when empty.
    package var highest: UInt64 { ranges.last?.upperBound ?? contiguous }

    /// - Complexity: O(log ranges).
    package func contains(_ sequence: UInt64) -> Bool {
        if sequence <= contiguous { return sequence > 0 }
        let index = rangeIndex(endingAtOrAfter: sequence)
        return index < ranges.count && ranges[index].lowerBound <= sequence
    }

    package enum Insertion: Hashable, Sendable {
        case inserted
        case duplicate
        /// Nothing changed: the set would need more than its bound of ranges. Never for the next contiguous one.
        case full
    }

    /// - Complexity: O(log ranges) to find, O(ranges) to make room; O(1) for the next contiguous one.
    package mutating func insert(_ sequence: UInt64) -> Insertion {
        guard sequence > 0, sequence < .max, !contains(sequence) else { return .duplicate }
        return insert(sequence...sequence) == nil ? .full : .inserted
    }

    /// Adds all of `sequences`.
    /// - Returns: how many were not in the set before; nil, and nothing changed, when it is full.
    package mutating func insert(_ sequences: ClosedRange<UInt64>) -> UInt64? {
        let lower = max(sequences.lowerBound, 1)
        let upper = min(sequences.upperBound, .max - 1)
        guard lower <= upper else { return 0 }
        let before = count
        if lower <= contiguous + 1 {
            contiguous = max(contiguous, upper)
            var merged = 0
            while merged < ranges.count, ranges[merged].lowerBound <= contiguous + 1 {
                contiguous = max(contiguous, ranges[merged].upperBound)
                merged += 1
            }
            ranges.removeFirst(merged)
            return count - before
        }
        // The ranges from `first` up to `last` touch or overlap the new one.
        let first = rangeIndex(endingAtOrAfter: lower - 1)
        var last = first
        var joined = lower...upper
        while last < ranges.count, ranges[last].lowerBound <= upper + 1 {
            joined = min(joined.lowerBound, ranges[last].lowerBound)...max(joined.upperBound, ranges[last].upperBound)
            last += 1
        }
        if first == last, ranges.count >= IngestLimits.rangesMax { return nil }
        ranges.replaceSubrange(first..<last, with: CollectionOfOne(joined))
        return count - before
    }

    /// How many of `sequences` are in the set.
    package func count(within sequences: ClosedRange<UInt64>) -> UInt64 {
        var total: UInt64 = 0
        func add(_ lower: UInt64, _ upper: UInt64) {
            let from = max(lower, sequences.lowerBound)
            let to = min(upper, sequences.upperBound)
            if from <= to { total += to - from + 1 }
        }
        if contiguous > 0 { add(1, contiguous) }
        for range in ranges[rangeIndex(endingAtOrAfter: sequences.lowerBound)...] {
            if range.lowerBound > sequences.upperBound { break }
            add(range.lowerBound, range.upperBound)
        }
        return total
    }

    /// The index of the first range that ends at or after `sequence`; `ranges.count` when there is none.
    func rangeIndex(endingAtOrAfter sequence: UInt64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Varints: contiguous, number of ranges, then per range the gap to the previous end and its length, both minus 1.
extension SequenceSet {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 12 + 4 * ranges.count)
        writer.write(varint: contiguous)
        writer.write(varint: UInt64(ranges.count))
        var end = contiguous
        for range in ranges {
            writer.write(varint: range.lowerBound - end - 1)
            writer.write(varint: range.upperBound - range.lowerBound)
            end = range.upperBound
        }
        return writer.bytes
    }

    /// - Throws: ``WireError`` for bytes that `encoded()` never makes.
    package init(encoded bytes: [UInt8]) throws(WireError) {
        self.init()
        let result = bytes.withUnsafeBytes { buffer -> Result<SequenceSet, WireError> in
            Result { () throws(WireError) in try SequenceSet(decoding: buffer) }
        }
        self = try result.get()
    }

    private init(decoding buffer: UnsafeRawBufferPointer) throws(WireError) {
        self.init()
        var reader = ByteReader(buffer)
        contiguous = try reader.readVarint("contiguous")
        let rangeCount = try reader.readCount("ranges", max: IngestLimits.rangesMax)
        var end = contiguous
        for _ in 0..<rangeCount {
            let gap = try reader.readVarint("range gap")
            let length = try reader.readVarint("range length")
            let (start, overflow) = end.addingReportingOverflow(gap &+ 1)
            let (stop, overflowToo) = start.addingReportingOverflow(length)
            guard gap > 0, gap < .max, !overflow, !overflowToo, stop < .max else { throw .invalid("range") }
            ranges.append(start...stop)
            end = stop
        }
        guard contiguous < .max else { throw .invalid("contiguous") }
        try reader.finish()
    }
}
