/// Cuts what is read of a growing file into lines; a last line without its end waits for more.
///
/// Bound: ``lineBytesMax``; a longer line is passed over and counted.
public struct LineSplitter: Sendable {
    public static let lineBytesMax = 16 * 1024

    private var partial: [UInt8] = []
    /// A line that is too long, or one that began before reading did.
    private var isSkipping: Bool
    private var isTooLong = false
    /// Bytes up to the end of the last complete line.
    public private(set) var consumedBytes = 0
    private var pendingBytes = 0
    public private(set) var tooLongCount = 0

    /// - Parameter startsWithin: reading starts in the middle of a line, which is left out.
    public init(startsWithin: Bool = false) { isSkipping = startsWithin }

    public mutating func add(_ bytes: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0a { end += 1 }
            let isComplete = end < bytes.count
            add(part: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), isComplete: isComplete, take)
            start = end + 1
        }
    }

    private mutating func add(
        part: UnsafeRawBufferPointer, isComplete: Bool, _ take: (UnsafeRawBufferPointer) -> Void
    ) {
        pendingBytes += part.count + (isComplete ? 1 : 0)
        if !isSkipping, partial.count + part.count > Self.lineBytesMax {
            isSkipping = true
            isTooLong = true
            partial = []
        }
        guard isComplete else {
            if !isSkipping { partial.append(contentsOf: part) }
            return
        }
        if isSkipping {
            if isTooLong { tooLongCount += 1 }
        } else if partial.isEmpty {
            take(part)
        } else {
            partial.append(contentsOf: part)
            partial.withUnsafeBytes { take($0) }
        }
        isSkipping = false
        isTooLong = false
        partial.removeAll(keepingCapacity: true)
        consumedBytes += pendingBytes
        pendingBytes = 0
    }

    /// The file will not grow any more: what waits is a line too.
    public mutating func finish(_ take: (UnsafeRawBufferPointer) -> Void) {
        guard !partial.isEmpty || isSkipping else { return }
        add(part: UnsafeRawBufferPointer(start: nil, count: 0), isComplete: true, take)
    }

    public mutating func takeTooLong() -> Int {
        defer { tooLongCount = 0 }
        return tooLongCount
    }
}
