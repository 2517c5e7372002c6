/// Where each series of a set of value columns lies: the offset directory, built in one validating pass.
///
/// What it cannot check, the bytes within a stream, ``ValueColumnDecoder`` checks when it reads them.
struct ValueColumnDirectory {
    struct Entry {
        /// The first integer, or the first value's bits for raw constants and XOR.
        var first: Int64
        /// 1 when the class has none.
        var multiplier: Int64
        /// Within the streams column.
        var offset: UInt32
        var length: UInt32
        var valueClass: UInt8

        /// Whether there is no stream: every value is the first.
        var isConstant: Bool { valueClass & 7 < ValueClass.Kind.rising.rawValue }
        var isPacked: Bool { valueClass & 7 == ValueClass.Kind.packed.rawValue }
    }

    private(set) var entries: [Entry] = []
    /// The entry that owns each stream.
    private var owners: [UInt32] = []
    /// The bytes that all streams but the packed ones take together.
    private(set) var streamBytes = 0
    /// The bytes of the packed streams.
    private(set) var packedBytes = 0

    /// What a reference expects as first integer: the source's, in the proportion of the multipliers.
    static func predict(_ first: Int64, _ sourceMultiplier: Int64, _ multiplier: Int64) -> Int64 {
        (first / sourceMultiplier) &* multiplier
    }

    /// The columns apart from the streams, positioned at their starts.
    struct Columns {
        var classes: ColumnCursor
        var multipliers: ColumnCursor
        var references: ColumnCursor
        var lengths: ColumnCursor
        var firsts: ColumnCursor
        var words: ColumnCursor

        fileprivate var isFinished: Bool {
            classes.isFinished && multipliers.isFinished && references.isFinished && lengths.isFinished
                && firsts.isFinished && words.isFinished
        }
    }

    /// Reads the directory of `seriesCount` series.
    /// - Parameters:
    ///   - streamBytesMax: the bound on all streams together, apart from packed ones.
    ///   - packedBytesMax: the same for packed streams; nil where there are none.
    ///   - valueCount: the count of values of a series by its index.
    /// - Throws: ``WireError/invalid(_:)`` for any broken rule.
    @inline(__always)
    mutating func read(
        _ source: Columns, seriesCount: Int, streamBytesMax: Int, packedBytesMax: Int? = nil, valueCount: (Int) -> Int
    ) throws(WireError) {
        var columns = source
        entries.removeAll(keepingCapacity: true)
        owners.removeAll(keepingCapacity: true)
        entries.reserveCapacity(seriesCount)
        var offset = 0
        var packedOffset = 0
        for index in 0..<seriesCount {
            let raw = columns.classes.byte()
            var entry = Entry(first: 0, multiplier: 1, offset: 0, length: 0, valueClass: raw)
            if raw == ValueClass.Kind.zero.rawValue {
                entries.append(entry)
                continue
            }
            guard let kind = ValueClass(rawValue: raw).kind else { throw .invalid("value class") }
            switch kind {
            case .zero:
                throw .invalid("value class")
            case .constant:
                guard raw & (ValueClass.multiplierBit | ValueClass.referenceBit) == 0 else {
                    throw .invalid("value class")
                }
                entry.first = columns.firsts.zigzag()
            case .rawConstant:
                guard raw == kind.rawValue else { throw .invalid("value class") }
                entry.first = Int64(bitPattern: columns.words.word())
            case .rising, .delta, .deltaOfDelta, .xor, .packed:
                let isXOR = kind == .xor
                guard !isXOR || raw & ~ValueClass.referenceBit == kind.rawValue else { throw .invalid("value class") }
                if raw & ValueClass.multiplierBit != 0 {
                    let multiplier = columns.multipliers.varint()
                    guard multiplier > 1, multiplier <= UInt64(Int64.max) else { throw .invalid("multiplier") }
                    entry.multiplier = Int64(multiplier)
                }
                var isFirstKnown = false
                if raw & ValueClass.referenceBit != 0 {
                    let reference = columns.references.varint()
                    let distance = reference >> 1
                    guard distance < UInt64(owners.count) else { throw .invalid("reference") }
                    let ownerIndex = Int(owners[owners.count - 1 - Int(distance)])
                    let owner = entries[ownerIndex]
                    guard owner.valueClass & 7 == raw & 7, valueCount(ownerIndex) == valueCount(index) else {
                        throw .invalid("reference")
                    }
                    entry.offset = owner.offset
                    entry.length = owner.length
                    if reference & 1 != 0 {
                        guard !isXOR else { throw .invalid("reference") }
                        isFirstKnown = true
                        entry.first = Self.predict(owner.first, owner.multiplier, entry.multiplier)
                    }
                } else {
                    let values = valueCount(index)
                    let excess = columns.lengths.varint()
                    let bytesMax = kind == .packed ? packedBytesMax ?? -1 : streamBytesMax
                    guard values > 1, bytesMax >= 0, excess <= UInt64(bytesMax) else { throw .invalid("stream length") }
                    let length = Int(excess) + (kind == .packed ? 0 : values - 1)
                    let start = kind == .packed ? packedOffset : offset
                    guard length <= bytesMax - start else { throw .invalid("stream length") }
                    entry.offset = UInt32(truncatingIfNeeded: start)
                    entry.length = UInt32(truncatingIfNeeded: length)
                    if kind == .packed { packedOffset += length } else { offset += length }
                    owners.append(UInt32(truncatingIfNeeded: index))
                }
                if isXOR {
                    entry.first = Int64(bitPattern: columns.words.word())
                } else if !isFirstKnown {
                    entry.first = columns.firsts.zigzag()
                }
            }
            entries.append(entry)
        }
        guard columns.isFinished else { throw .invalid("value columns") }
        streamBytes = offset
        packedBytes = packedOffset
    }
}
