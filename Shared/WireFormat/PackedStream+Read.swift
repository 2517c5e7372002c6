/// Reading packed streams. Any bytes give values or false, in no more memory than the caller's.
extension PackedStream {
    /// Reads `count` values of an entry of the packed kind.
    /// - Parameter stream: `length` bytes and ``paddingBytes`` behind them.
    /// - Returns: false unless the stream holds exactly these values.
    static func read(
        _ entry: ValueColumnDirectory.Entry, stream: UnsafePointer<UInt8>, count: Int,
        into values: UnsafeMutablePointer<Double>
    ) -> Bool {
        let length = Int(entry.length)
        guard count > 1, let (head, start) = readHead(stream, length: length) else { return false }
        guard head.domain == .integers || entry.valueClass & 0x78 == 0 else { return false }
        let lowBytes = ((count - 2) * head.width + 7) / 8
        guard lowBytes <= length - start else { return false }
        // The symbols wait where their values go.
        let symbolsEnd = values.withMemoryRebound(to: UInt64.self, capacity: count) {
            head.readSymbols(stream, from: start + lowBytes, length: length, count: count - 2, into: $0 + 1)
        }
        guard let end = symbolsEnd else { return false }
        let symbols = UnsafeRawPointer(values)
        let low = UnsafeRawPointer(stream + start)
        switch head.domain {
        case .integers:
            let (first, multiplier) = (entry.first, entry.multiplier)
            let scale = ValueClass.scale(Int(entry.valueClass >> 3 & 7))
            if scale == 1 {
                head.join(low, symbols, count: count) { values[$0] = Double(first &+ $1 &* multiplier) }
            } else {
                head.join(low, symbols, count: count) { values[$0] = Double(first &+ $1 &* multiplier) / scale }
            }
            return end == length
        case .decimals:
            head.join(low, symbols, count: count) {
                values[$0] = Double(bitPattern: UInt64(bitPattern: entry.first &+ $1))
            }
            let digits = UnsafeRawBufferPointer(start: stream + end, count: length - end)
            return SignificantDigits.join(values, count: count, places: head.places, digits: digits)
        case .floats:
            head.join(low, symbols, count: count) { values[$0] = FloatOrder.value(entry.first &+ $1) }
            return end == length
        }
    }

    /// The last value, if the head tells.
    static func last(_ entry: ValueColumnDirectory.Entry, stream: UnsafePointer<UInt8>) -> Double? {
        guard let (head, _) = readHead(stream, length: Int(entry.length)) else { return nil }
        switch head.domain {
        case .integers:
            return Double(entry.first &+ head.change &* entry.multiplier)
                / ValueClass.scale(Int(entry.valueClass >> 3 & 7))
        case .decimals:
            let integer = entry.first &+ head.change
            // Of smaller ones further digits stand at the end of the stream.
            return Double(integer).magnitude < SignificantDigits.least
                ? nil : Double(integer) / SignificantDigits.powers[head.places]
        case .floats:
            return FloatOrder.value(entry.first &+ head.change)
        }
    }

    /// Puts symbols and low bits together and hands on each integer minus the first. In order: `emit` may write where the
    /// symbol of the same value stood.
    @inline(__always)
    private func join(
        _ low: UnsafeRawPointer, _ symbols: UnsafeRawPointer, count: Int, _ emit: (Int, Int64) -> Void
    ) {
        let shift = Int64(self.shift)
        let kept: Int64 = order == .level ? 0 : -1
        var expected = mean(count: count)
        var value: Int64 = 0
        let width = UInt64(self.width)
        let mask = (1 &<< width) &- 1
        let factor = 1 &<< width
        var bit: UInt64 = 0

        @inline(__always) func residual(_ index: Int) -> Int64 {
            let word = UInt64(
                littleEndian: low.loadUnaligned(fromByteOffset: Int(truncatingIfNeeded: bit >> 3), as: UInt64.self))
            let symbol = symbols.load(fromByteOffset: index &* 8, as: UInt64.self)
            let code = symbol &* factor | (word &>> (bit & 7)) & mask
            bit &+= width
            return Int64(bitPattern: code >> 1) ^ -Int64(bitPattern: code & 1)
        }

        emit(0, 0)
        if memory == 0 {
            for index in 1..<count - 1 {
                value = (value & kept) &+ (expected &+ residual(index))
                emit(index, value)
            }
        } else {
            expected = expected &<< shift
            for index in 1..<count - 1 {
                let residual = residual(index)
                value = (value & kept) &+ (expected &>> shift) &+ residual
                expected = expected &+ residual
                emit(index, value)
            }
        }
        emit(count - 1, change)
    }

    /// Reads the symbols of all values but the first and the last.
    /// - Parameter symbols: room for one more than `count`.
    /// - Returns: behind the last byte used; nil when the stream is too short.
    private func readSymbols(
        _ stream: UnsafePointer<UInt8>, from start: Int, length: Int, count: Int,
        into symbols: UnsafeMutablePointer<UInt64>
    ) -> Int? {
        let bytes = UnsafeRawPointer(stream)
        let escape = UInt64(PackedCode.escapes[code])
        let mask = UInt64(PackedCode.tableEntries - 1)
        let end = length * 8
        var bit = start * 8
        let isComplete = PackedCode.decoding.withUnsafeBufferPointer { all in
            guard let base = all.baseAddress else { return false }
            let table = base + code * PackedCode.tableEntries
            var index = 0
            while index < count {
                guard bit <= end else { return false }
                // At least 57 bits: five times what the table looks at.
                var word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
                word &>>= UInt64(bit & 7)
                var used: UInt64 = 0
                var rest = 5
                var isEscape = false
                if count - index >= 10 {
                    while rest > 0 {
                        let entry = table[Int(truncatingIfNeeded: word & mask)].word
                        used &+= UInt64(entry & 0x3f)
                        guard entry & 0xc0 != 0 else {
                            isEscape = true
                            break
                        }
                        symbols[index] = UInt64(entry >> 16 & 0xff)
                        symbols[index &+ 1] = UInt64(entry >> 24)
                        index &+= Int(truncatingIfNeeded: entry >> 6 & 3)
                        // By the lowest six bits, the length.
                        word &>>= UInt64(entry)
                        rest &-= 1
                    }
                } else {
                    let entry = table[Int(truncatingIfNeeded: word & mask)]
                    used = UInt64(entry.firstLength)
                    symbols[index] = UInt64(entry.first)
                    isEscape = entry.count == 0
                    index += isEscape ? 0 : 1
                }
                bit += Int(truncatingIfNeeded: used)
                guard isEscape else { continue }
                guard let excess = Self.excess(bytes, &bit, end: end) else { return false }
                symbols[index] = escape &+ excess
                index += 1
            }
            return bit <= end
        }
        return isComplete ? (bit + 7) / 8 : nil
    }

    /// What follows an escape: six bits, one more than which are the bits of the excess.
    @inline(never)
    private static func excess(_ bytes: UnsafeRawPointer, _ bit: inout Int, end: Int) -> UInt64? {
        guard bit + 6 <= end else { return nil }
        let count =
            Int(
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
                    >> UInt64(bit & 7) & 0x3f) + 1
        bit += 6
        guard bit + count <= end else { return nil }
        var excess: UInt64 = 0
        for index in 0..<count {
            let place = bit + index
            let byte = bytes.load(fromByteOffset: place >> 3, as: UInt8.self)
            excess |= UInt64(byte >> UInt8(place & 7) & 1) << UInt64(index)
        }
        bit += count
        return excess
    }
}

/// Doubles' bits as integers in the order of the values: those of negative numbers are turned around.
enum FloatOrder {
    @inline(__always)
    static func integer(_ value: Double) -> Int64 {
        let bits = Int64(bitPattern: value.bitPattern)
        return bits < 0 ? bits ^ .max : bits
    }
    @inline(__always)
    static func value(_ integer: Int64) -> Double {
        Double(bitPattern: UInt64(bitPattern: integer < 0 ? integer ^ .max : integer))
    }
}
