public import Compression

/// An encoded block as it travels and is stored: one zstd frame that states its size.
///
/// Not thread-safe: one per thread.
public final class BlockBody {
    private let compressor: ZstdCompressor
    private let decompressor: ZstdDecompressor

    /// - Parameter level: 3 unless told otherwise: on blocks of a few kilobytes higher ones gain under 2 %.
    public init(level: Int = 3) throws(ZstdError) {
        compressor = try ZstdCompressor(level: level)
        decompressor = try ZstdDecompressor()
    }

    /// - Throws: ``WireError/tooLarge(_:)`` above ``WireLimits/bodyBytesMax``.
    public func compress(_ block: [UInt8]) throws(WireError) -> [UInt8] {
        guard block.count <= WireLimits.bodyBytesMax else { throw .tooLarge("block") }
        do throws(ZstdError) { return try compressor.compress(block) } catch { throw .invalid("zstd") }
    }

    /// - Throws: ``WireError`` when `body` is no frame or claims more than ``WireLimits/bodyBytesMax``.
    public func decompress(_ body: [UInt8]) throws(WireError) -> [UInt8] {
        do throws(ZstdError) {
            return try decompressor.decompress(body, boundBytes: WireLimits.bodyBytesMax)
        } catch {
            if case .tooLarge = error { throw .tooLarge("block") }
            throw .invalid("zstd frame")
        }
    }

    public func decompress(_ body: UnsafeRawBufferPointer) throws(WireError) -> [UInt8] {
        do throws(ZstdError) {
            return try decompressor.decompress(body, boundBytes: WireLimits.bodyBytesMax)
        } catch {
            if case .tooLarge = error { throw .tooLarge("block") }
            throw .invalid("zstd frame")
        }
    }
}
