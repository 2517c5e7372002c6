import CZstd

/// Compresses to single zstd frames that state their content size, reusing one context.
///
/// Not thread-safe: its owner's thread only. A context at level 3 holds up to about 1.3 MiB once
/// large inputs went through it; inputs of a few kilobytes stay far below.
public final class ZstdCompressor {
    public static let levelRange = 1...19
    public let level: Int32
    private let context: OpaquePointer

    /// - Parameter level: clamped to ``levelRange``; 1 is fastest, 3 costs about twice that.
    /// - Throws: ``ZstdError/outOfMemory``.
    public init(level: Int = 3) throws(ZstdError) {
        guard let context = ZSTD_createCCtx() else { throw .outOfMemory }
        self.context = context
        self.level = Int32(min(max(level, Self.levelRange.lowerBound), Self.levelRange.upperBound))
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, self.level)
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
        // The seal or the database page checks the bytes; four more per frame would be for nothing.
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)
    }

    deinit { ZSTD_freeCCtx(context) }

    /// The most bytes that compressing `sizeBytes` can yield.
    public static func compressedBytesMax(of sizeBytes: Int) -> Int { ZSTD_compressBound(sizeBytes) }

    /// - Returns: the count of bytes written to `output`.
    /// - Throws: ``ZstdError/tooLarge(bound:)`` when `output` is too short.
    public func compress(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(ZstdError) -> Int {
        let count = ZSTD_compress2(context, output.baseAddress, output.count, input.baseAddress, input.count)
        guard ZSTD_isError(count) == 0 else { throw .tooLarge(bound: output.count) }
        return count
    }

    /// Appends the frame to `output`.
    public func compress(_ input: UnsafeRawBufferPointer, appendingTo output: inout [UInt8]) throws(ZstdError) {
        output.append(contentsOf: try compress(input))
    }

    public func compress(_ input: UnsafeRawBufferPointer) throws(ZstdError) -> [UInt8] {
        var failure: ZstdError?
        let result = [UInt8](unsafeUninitializedCapacity: Self.compressedBytesMax(of: input.count)) { buffer, count in
            do throws(ZstdError) {
                count = try compress(input, into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    public func compress(_ input: [UInt8]) throws(ZstdError) -> [UInt8] {
        var result: Result<[UInt8], ZstdError> = .failure(.outOfMemory)
        input.withUnsafeBytes { bytes in
            result = Result { () throws(ZstdError) in try compress(bytes) }
        }
        return try result.get()
    }
}
