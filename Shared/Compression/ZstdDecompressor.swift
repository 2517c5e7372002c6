import CZstd

/// Decompresses single zstd frames into bounded memory, reusing one context (about 96 KiB).
///
/// Not thread-safe: its owner's thread only. Total: any bytes give content or a ``ZstdError``.
public final class ZstdDecompressor {
    private let context: OpaquePointer

    /// - Throws: ``ZstdError/outOfMemory``.
    public init() throws(ZstdError) {
        guard let context = ZSTD_createDCtx() else { throw .outOfMemory }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    /// The content size that a frame states.
    /// - Throws: when it is absent or above `boundBytes`, before anything is allocated.
    public static func contentBytes(of frame: UnsafeRawBufferPointer, boundBytes: Int) throws(ZstdError) -> Int {
        // Both of the library's special values, "unknown" and "error", are above any bound.
        let claimed = ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
        guard claimed < UInt64.max - 1 else { throw .damaged("no frame with a content size") }
        guard claimed <= UInt64(max(0, boundBytes)) else { throw .tooLarge(bound: boundBytes) }
        return Int(claimed)
    }

    /// - Returns: the count of bytes written to `output`, whose size is the bound.
    public func decompress(
        _ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(ZstdError) -> Int {
        let expected = try Self.contentBytes(of: frame, boundBytes: output.count)
        // An output of exactly the stated size: a further frame behind the first one cannot add to it.
        let count = ZSTD_decompressDCtx(context, output.baseAddress, expected, frame.baseAddress, frame.count)
        guard ZSTD_isError(count) == 0 else { throw .damaged(String(cString: ZSTD_getErrorName(count))) }
        guard count == expected else { throw .damaged("content shorter than stated") }
        return count
    }

    /// - Throws: ``ZstdError/tooLarge(bound:)`` when the frame claims more than `boundBytes`.
    public func decompress(_ frame: UnsafeRawBufferPointer, boundBytes: Int) throws(ZstdError) -> [UInt8] {
        let expected = try Self.contentBytes(of: frame, boundBytes: boundBytes)
        var failure: ZstdError?
        let result = [UInt8](unsafeUninitializedCapacity: max(expected, 1)) { buffer, count in
            do throws(ZstdError) {
                count = try decompress(
                    frame,
                    into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<expected]))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    public func decompress(_ frame: [UInt8], boundBytes: Int) throws(ZstdError) -> [UInt8] {
        var result: Result<[UInt8], ZstdError> = .failure(.outOfMemory)
        frame.withUnsafeBytes { bytes in
            result = Result { () throws(ZstdError) in try decompress(bytes, boundBytes: boundBytes) }
        }
        return try result.get()
    }
}
