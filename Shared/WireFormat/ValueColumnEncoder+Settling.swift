/// Which streams are packed is settled when all are known: what occurs in several streams zstd writes once.
extension ValueColumnEncoder {
    /// Settles the form of every stream; then the columns are complete. Only when packing, after the last series.
    mutating func settle() {
        let packs = chooseForms()
        var (streamsEnd, packedEnd) = (0, 0)
        for (number, stream) in known.enumerated() {
            if packs[number] {
                let form = stream.isOnlyPacked ? stream.offset..<stream.offset + stream.length : stream.packedForm
                packed.move(form, to: packedEnd)
                packedEnd += form.count
                lengths.append(varint: UInt64(form.count))
            } else {
                streams.move(stream.offset..<stream.offset + stream.length, to: streamsEnd)
                streamsEnd += stream.length
                streamEnds.append(streamsEnd)
                lengths.append(varint: UInt64(stream.length - (stream.count - 1)))
            }
        }
        streams.cut(to: streamsEnd)
        packed.cut(to: packedEnd)
        for series in moving {
            if packs[series.stream] {
                classes.base[series.series] |= ValueClass.Kind.packed.rawValue
            } else if known[series.stream].kind == ValueClass.Kind.xor.rawValue {
                lasts.append(littleEndian: UInt64(bitPattern: series.last))
            } else {
                lasts.append(zigzag: series.last)
            }
        }
    }

    /// - Returns: by stream whether it is packed.
    private func chooseForms() -> [Bool] {
        guard known.contains(where: { !$0.packedForm.isEmpty }) else { return known.map(\.isOnlyPacked) }
        let repetitions = StreamRepetitions(bytes: streams.count)
        let runs = known.map { stream in
            guard !stream.isOnlyPacked else { return 0..<0 }
            return repetitions.enter(
                streams.base + stream.offset, stream.length, isKept: !stream.packedForm.isEmpty)
        }
        return known.indices.map { number in
            let stream = known[number]
            guard !stream.packedForm.isEmpty else { return stream.isOnlyPacked }
            // Of two streams that are the same zstd writes one: to each falls half.
            let cost = Double(stream.cost) * (1 - repetitions.share(runs[number]) / 2)
            return Double(stream.packedForm.count) < cost
        }
    }
}
