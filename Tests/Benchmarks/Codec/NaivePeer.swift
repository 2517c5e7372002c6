import Compression
import TestSupport

/// The peer of the chunk codec, as one would write it in C in an afternoon: per series the smallest decimal scale that
/// makes all values integers, deltas, zigzag, varints; all series of a chunk in one zstd-1 frame. No directory, no
/// timestamps, no summary, and no decision per series but the scale.
struct NaivePeer {
    private let output: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private let compressor: ZstdCompressor
    private let frame: UnsafeMutableRawBufferPointer

    /// - Parameter samplesMax: of a group.
    init(samplesMax: Int) throws {
        capacity = samplesMax * 10 + 4096
        output = .allocate(capacity: capacity)
        compressor = try ZstdCompressor(level: 1)
        frame = .allocate(byteCount: ZstdCompressor.compressedBytesMax(of: capacity), alignment: 16)
    }

    func free() {
        output.deallocate()
        frame.deallocate()
    }

    /// - Returns: the bytes of one group: before and after zstd.
    func encode(_ series: [[Double]], _ ticks: Range<Int>) throws -> (plain: Int, compressed: Int) {
        var end = output
        for values in series {
            values.withUnsafeBufferPointer {
                Self.encode(UnsafeBufferPointer(rebasing: $0[ticks]), into: &end)
            }
        }
        let plain = end - output
        let compressed = try compressor.compress(UnsafeRawBufferPointer(start: output, count: plain), into: frame)
        return (plain, compressed)
    }

    private static func encode(_ values: UnsafeBufferPointer<Double>, into end: inout UnsafeMutablePointer<UInt8>) {
        var scale = 1.0
        var digits: UInt8 = 0
        while digits < 7, !isInteger(values, scale) {
            scale *= 10
            digits += 1
        }
        end.pointee = digits
        end += 1
        guard digits < 7 else {
            UnsafeMutableRawBufferPointer(start: end, count: values.count * 8).copyMemory(
                from: UnsafeRawBufferPointer(values))
            end += values.count * 8
            return
        }
        var last: Int64 = 0
        for value in values {
            let now = Int64((value * scale).rounded())
            let delta = now &- last
            last = now
            var bits = UInt64(bitPattern: delta &<< 1 ^ delta &>> 63)
            while bits >= 0x80 {
                end.pointee = UInt8(truncatingIfNeeded: bits) | 0x80
                end += 1
                bits >>= 7
            }
            end.pointee = UInt8(truncatingIfNeeded: bits)
            end += 1
        }
    }

    private static func isInteger(_ values: UnsafeBufferPointer<Double>, _ scale: Double) -> Bool {
        for value in values {
            let scaled = value * scale
            let whole = scaled.rounded()
            if whole / scale != value || abs(whole) > 9e15 { return false }
        }
        return true
    }
}
