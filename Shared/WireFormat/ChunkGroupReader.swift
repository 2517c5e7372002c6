public import Compression

/// Where readers of one chunk group leave inflated frames for each other.
public protocol InflatedFrames: AnyObject {
    func frame(_ index: Int) -> [UInt8]?
    func keep(_ bytes: [UInt8], as index: Int)
}

/// Reads a chunk group, stream by stream as they are asked for.
///
/// Not thread-safe. Holds the opened group, which others may share, and one inflated frame.
public final class ChunkGroupReader {
    public let group: OpenedChunkGroup
    private let decompressor: ZstdDecompressor
    private let frames: (any InflatedFrames)?
    private var recent: (frame: Int, bytes: [UInt8]) = (-1, [])
    private var contents: OpenedChunkGroup.Contents { _read { yield group.contents } }

    /// - Parameters:
    ///   - decompressor: may be shared with other readers of the same thread.
    ///   - frames: of this group, for all its readers; nil: only the last one inflated is kept.
    public init(
        _ group: OpenedChunkGroup, decompressor: ZstdDecompressor, frames: (any InflatedFrames)? = nil
    ) {
        self.group = group
        self.decompressor = decompressor
        self.frames = frames
    }

    /// - Throws: ``WireError`` for any bytes that are no valid group.
    public convenience init(_ bytes: [UInt8], decompressor: ZstdDecompressor) throws(WireError) {
        self.init(try OpenedChunkGroup(bytes, decompressor: decompressor), decompressor: decompressor)
    }

    /// Series numbers in ascending order; other calls take positions in this array.
    public var series: [UInt64] { contents.series }
    public var timelines: [[Int64]] { contents.timelines }
    /// By position; empty if none is known.
    public var startTimestamps: [Int64] { contents.startTimestamps }
    public var sampleCount: Int { contents.sampleCount }

    public func timestamps(_ position: Int) -> [Int64] { contents.timelines[timeline(of: position)] }
    /// Which of ``timelines`` a series has.
    public func timeline(of position: Int) -> Int { Int(contents.timelineOf[position]) }
    public func anomalousPositions(_ position: Int) -> [Int] { contents.anomalies[position] ?? [] }

    /// As ``position(of:)``, at once when the series stands at `guess`.
    public func position(of number: UInt64, near guess: Int) -> Int? {
        guess < contents.series.count && contents.series[guess] == number ? guess : position(of: number)
    }

    /// The position of a series number, nil when the group does not hold it.
    public func position(of number: UInt64) -> Int? {
        var (low, high) = (0, contents.series.count)
        while low < high {
            let middle = (low + high) / 2
            if contents.series[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < contents.series.count && contents.series[low] == number ? low : nil
    }

    /// The series' last value without decoding it; nil when the group does not tell.
    public func last(_ position: Int) -> Double? {
        let entry = contents.directory.entries[position]
        guard entry.isPacked else { return contents.lasts.isEmpty ? nil : contents.lasts[position] }
        return withPacked(entry) { PackedStream.last(entry, stream: $0) }
    }

    private func withPacked<Result>(
        _ entry: ValueColumnDirectory.Entry, _ body: (UnsafePointer<UInt8>) -> Result?
    ) -> Result? {
        group.bytes.withUnsafeBufferPointer { bytes in
            // The directory has checked that all streams lie within the packed bytes.
            bytes.baseAddress.flatMap { body($0 + contents.packedStart + Int(entry.offset)) }
        }
    }

    /// Decodes one series, one value per timestamp.
    public func values(_ position: Int) throws(WireError) -> [Double] {
        let count = timestamps(position).count
        var failure: WireError?
        let result = [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            do throws(WireError) {
                try read(position, into: base)
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    /// The value that a whole series has, if the group says so; nil: decode it.
    public func constant(_ position: Int) -> Double? {
        guard contents.directory.entries[position].isConstant else { return nil }
        var value = 0.0
        // The directory has validated the classes of constants.
        return (try? contents.read(position, constant: &value)) == nil ? nil : value
    }

    /// Decodes one series into the caller's memory.
    /// - Precondition: `values` has room for one value per timestamp.
    public func read(_ position: Int, into values: UnsafeMutablePointer<Double>) throws(WireError) {
        let entry = contents.directory.entries[position]
        let count = contents.timelines[timeline(of: position)].count
        guard entry.length > 0 else {
            var none: UInt8 = 0
            let isValid = withUnsafePointer(to: &none) {
                ValueColumnDecoder.read(entry, stream: $0, count: count, into: values)
            }
            guard isValid else { throw .invalid("value class") }
            return
        }
        guard !entry.isPacked else {
            let isValid = withPacked(entry) { PackedStream.read(entry, stream: $0, count: count, into: values) }
            guard isValid == true else { throw .invalid("packed stream") }
            return
        }
        let index = frameIndex(Int(entry.offset))
        let frame = contents.frames[index]
        let offset = Int(entry.offset) - frame.rawStart
        guard offset + Int(entry.length) <= frame.rawBytes else { throw .invalid("frame") }
        let isValid = try inflated(index).withUnsafeBufferPointer { raw in
            guard let base = raw.baseAddress else { return false }
            return ValueColumnDecoder.read(entry, stream: base + offset, count: count, into: values)
        }
        guard isValid else { throw .invalid("value stream") }
    }

    private func frameIndex(_ offset: Int) -> Int {
        var (low, high) = (0, contents.frames.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if contents.frames[middle].rawStart <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private func inflated(_ index: Int) throws(WireError) -> [UInt8] {
        if recent.frame == index { return recent.bytes }
        if let kept = frames?.frame(index) {
            recent = (index, kept)
            return kept
        }
        let frame = contents.frames[index]
        var result: Result<[UInt8], ZstdError> = .failure(.outOfMemory)
        group.bytes.withUnsafeBytes { bytes in
            let slice = UnsafeRawBufferPointer(rebasing: bytes[frame.start..<frame.start + frame.bytes])
            result = Result { () throws(ZstdError) in
                try decompressor.decompress(slice, boundBytes: frame.rawBytes)
            }
        }
        guard case .success(let raw) = result, raw.count == frame.rawBytes else { throw .invalid("frame") }
        recent = (index, raw)
        frames?.keep(raw, as: index)
        return raw
    }
}
