/// A growable run of bytes for the columnar encoders: reserve once per series, then write unchecked.
///
/// Memory stays allocated for reuse until the owner goes; encoders bound what they write by the
/// sample and byte limits of their block.
struct ByteColumn: ~Copyable {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int = 256) {
        self.capacity = capacity
        base = .allocate(capacity: capacity)
    }

    deinit { base.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    mutating func clear() { count = 0 }

    /// Takes back what was written last.
    mutating func cut(to count: Int) { self.count = min(count, self.count) }

    /// Makes room for `extra` bytes.
    /// - Returns: where the next byte goes; commit what was written with ``commit(to:)``.
    @inline(__always)
    mutating func reserve(_ extra: Int) -> UnsafeMutablePointer<UInt8> {
        if capacity - count < extra { grow(extra) }
        return base + count
    }

    /// Takes the bytes up to `end`, a pointer into what ``reserve(_:)`` returned.
    @inline(__always)
    mutating func commit(to end: UnsafeMutablePointer<UInt8>) { count = end - base }

    /// Moves bytes towards the front, over others.
    mutating func move(_ range: Range<Int>, to start: Int) {
        guard start < range.lowerBound else { return }
        (base + start).update(from: base + range.lowerBound, count: range.count)
    }

    mutating func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        count += 1
    }

    mutating func append(varint value: UInt64) { commit(to: Self.write(varint: value, at: reserve(10))) }

    mutating func append(zigzag value: Int64) { append(varint: Self.zigzag(value)) }

    mutating func append(littleEndian value: UInt64) {
        UnsafeMutableRawPointer(reserve(8)).storeBytes(of: value.littleEndian, as: UInt64.self)
        count += 8
    }

    mutating func append(_ other: UnsafeRawBufferPointer) {
        guard let source = other.baseAddress, other.count > 0 else { return }
        UnsafeMutableRawPointer(reserve(other.count)).copyMemory(from: source, byteCount: other.count)
        count += other.count
    }

    mutating func append(_ other: [UInt8]) { other.withUnsafeBytes { append($0) } }

    /// - Parameter at: has room for ten bytes.
    /// - Returns: behind the last byte written.
    @inline(__always)
    static func write(varint value: UInt64, at: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        var rest = value
        var pointer = at
        while rest >= 0x80 {
            pointer.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
            pointer += 1
            rest >>= 7
        }
        pointer.pointee = UInt8(truncatingIfNeeded: rest)
        return pointer + 1
    }

    @inline(__always)
    static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let wider = max(capacity * 2, count + extra)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: wider)
        moved.update(from: base, count: count)
        base.deallocate()
        base = moved
        capacity = wider
    }
}
