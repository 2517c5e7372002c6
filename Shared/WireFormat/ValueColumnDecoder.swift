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
