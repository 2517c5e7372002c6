/// Numbers distinct texts by their bytes in order of first appearance; reused from column to column.
struct TextDictionary: ~Copyable {
    private(set) var lengths = ByteColumn()
    private(set) var bytes = ByteColumn(capacity: 4096)
    private(set) var count = 0
    private var offsets: [(start: Int, length: Int)] = []
    private var slots: [UInt32]

    /// - Parameter capacity: of distinct texts.
    init(capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        slots = [UInt32](repeating: 0, count: size)
    }

    mutating func clear() {
        lengths.clear()
        bytes.clear()
        offsets.removeAll(keepingCapacity: true)
        guard count > 0 else { return }
        count = 0
        for index in slots.indices { slots[index] = 0 }
    }

    mutating func number(of text: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = slots.count - 1
        let source = UnsafeRawBufferPointer(text)
        var empty: UInt8 = 0
        return withUnsafePointer(to: &empty) { empty in
            let base = source.baseAddress ?? UnsafeRawPointer(empty)
            var slot = Int(truncatingIfNeeded: ValueColumnEncoder.hash(base, source.count)) & mask
            while slots[slot] != 0 {
                let number = Int(slots[slot]) - 1
                let known = offsets[number]
                if known.length == source.count,
                    ValueColumnEncoder.equal(base, UnsafeRawPointer(bytes.base + known.start), source.count)
                {
                    return number
                }
                slot = (slot + 1) & mask
            }
            offsets.append((bytes.count, source.count))
            lengths.append(varint: UInt64(source.count))
            bytes.append(source)
            count += 1
            slots[slot] = UInt32(count)
            return count - 1
        }
    }
}
