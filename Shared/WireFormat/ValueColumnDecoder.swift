/// Reads the values of one series from its directory entry.
enum ValueColumnDecoder {
    /// - Parameters:
    ///   - stream: the entry's bytes; empty for constants.
    ///   - count: ≥ 1 values go to `values`.
    /// - Returns: false when the stream does not hold exactly these values.
    @inline(__always)
    static func read(
        _ entry: ValueColumnDirectory.Entry, stream: UnsafePointer<UInt8>, count: Int,
        into values: UnsafeMutablePointer<Double>
    ) -> Bool {
        let exponentIndex = Int(entry.valueClass >> 3 & 7)
        switch ValueClass.Kind(rawValue: entry.valueClass & 7) {
        case .zero:
            values.update(repeating: 0, count: count)
            return true
        case .constant:
            let scale = ValueClass.scale(exponentIndex)
            values.update(repeating: Double(entry.first) / scale, count: count)
            return true
        case .rawConstant:
            values.update(repeating: Double(bitPattern: UInt64(bitPattern: entry.first)), count: count)
            return true
        case .rising:
            guard integers(entry, stream, count, .rising, into: values) else { return false }
        case .delta:
            guard integers(entry, stream, count, .delta, into: values) else { return false }
        case .deltaOfDelta:
            guard integers(entry, stream, count, .deltaOfDelta, into: values) else { return false }
        case .xor:
            return XORStream.read(
                stream, length: Int(entry.length), first: UInt64(bitPattern: entry.first), count: count, into: values)
        case .packed:
            return PackedStream.read(entry, stream: stream, count: count, into: values)
        case nil:
            return false
        }
        if exponentIndex > 0 {
            let scale = ValueClass.scale(exponentIndex)
            for index in 0..<count { values[index] /= scale }
        }
        return true
    }

    /// Whether the stream holds exactly these values.
    /// - Parameters:
    ///   - stream, count: as of ``read(_:stream:count:into:)``, which this agrees with.
    ///   - scratch: room for `count` values.
    @inline(__always)
    static func check(
        _ entry: ValueColumnDirectory.Entry, stream: UnsafePointer<UInt8>, count: Int,
        scratch: UnsafeMutablePointer<Double>
    ) -> Bool {
        switch ValueClass.Kind(rawValue: entry.valueClass & 7) {
        case .zero, .constant, .rawConstant: true
        case .rising, .delta, .deltaOfDelta: holds(count - 1, stream, Int(entry.length))
        case .xor, .packed: read(entry, stream: stream, count: count, into: scratch)
        case nil: false
        }
    }

    /// Whether the bytes are exactly so many varints: as many bytes end one as there are, the last among them, and none is
    /// too long.
    private static func holds(_ codes: Int, _ stream: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        guard length >= codes, codes > 0, stream[length - 1] < 0x80 else { return length == codes && codes == 0 }
        var ends = 0
        var mostContinued = 0
        var offset = 0
        while offset < length {
            let count = min(8, length - offset)
            var word: UInt64 = 0
            if count == 8 {
                word = UnsafeRawPointer(stream + offset).loadUnaligned(as: UInt64.self)
            } else {
                for index in 0..<count { word = word &<< 8 | UInt64(stream[offset + index]) }
            }
            let continued = (word & 0x8080_8080_8080_8080).nonzeroBitCount
            ends += count - continued
            mostContinued = max(mostContinued, continued)
            offset += 8
        }
        guard ends == codes else { return false }
        // Only nine bytes that go on in a row can be too many: one of the two words that they lie in has five of them.
        guard mostContinued >= 5 else { return true }
        var position = stream
        while position < stream + length {
            guard let next = ColumnCursor.readVarint(position, end: stream + length) else { return false }
            position = next.position
        }
        return true
    }

    /// One loop per kind: `kind` is a constant at each call.
    @inline(__always)
    private static func integers(
        _ entry: ValueColumnDirectory.Entry, _ stream: UnsafePointer<UInt8>, _ count: Int, _ kind: ValueClass.Kind,
        into values: UnsafeMutablePointer<Double>
    ) -> Bool {
        let multiplier = entry.multiplier
        let end = stream + Int(entry.length)
        var pointer = stream
        var value = entry.first
        var slope: Int64 = 0
        values[0] = Double(value)
        var index = 1

        @inline(__always) func step(_ code: UInt64) {
            let difference =
                kind == .rising
                ? Int64(bitPattern: code) : Int64(bitPattern: code >> 1) ^ -Int64(bitPattern: code & 1)
            if kind == .deltaOfDelta {
                slope = slope &+ difference
                value = value &+ slope &* multiplier
            } else {
                value = value &+ difference &* multiplier
            }
            values[index] = Double(value)
            index += 1
        }

        while index < count {
            if count - index >= 8, end - pointer >= 8 {
                var word = UInt64(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt64.self))
                let continued = word & 0x8080_8080_8080_8080
                if continued == 0 {
                    // Eight codes of one byte each.
                    for _ in 0..<8 {
                        step(word & 0x7f)
                        word >>= 8
                    }
                    pointer += 8
                    continue
                }
                if continued & (continued << 8) == 0 {
                    // Codes of one and two bytes: four of them lie in the word. No branch asks which is which.
                    var used: UInt64 = 0
                    for _ in 0..<4 {
                        let isLong = word >> 7 & 1
                        step(word & 0x7f | word >> 1 & 0x3f80 & (0 &- isLong))
                        word &>>= 8 &+ 8 &* isLong
                        used &+= 1 &+ isLong
                    }
                    pointer += Int(truncatingIfNeeded: used)
                    continue
                }
            }
            guard pointer < end else { return false }
            let byte = pointer.pointee
            if byte < 0x80 {
                pointer += 1
                step(UInt64(byte))
            } else if end - pointer >= 2, pointer[1] < 0x80 {
                step(UInt64(byte & 0x7f) | UInt64(pointer[1]) << 7)
                pointer += 2
            } else {
                guard let next = ColumnCursor.readVarint(pointer, end: end) else { return false }
                step(next.value)
                pointer = next.position
            }
        }
        return pointer == end
    }
}
