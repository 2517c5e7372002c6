import CSnappy

/// Why a snappy block was refused.
public enum SnappyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes are no single complete snappy block.
    case damaged
    /// The block claims more than the caller's bound, bytes.
    case tooLarge(claimed: Int, bound: Int)

    public var description: String {
        switch self {
        case .damaged: "not a snappy block"
        case .tooLarge(let claimed, let bound): "snappy: \(claimed) bytes exceed the bound of \(bound) bytes"
        }
    }
}

/// Snappy's block format (not the framed one), as Prometheus remote write uses it.
///
/// Stateless and thread-safe. Total: any bytes give content or a ``SnappyError``.
public enum SnappyBlock {
    /// Inflates into `output`, whose former contents are replaced and whose memory is reused.
    /// - Throws: ``SnappyError/tooLarge(claimed:bound:)`` before anything is allocated.
    public static func decompress(
        _ block: UnsafeRawBufferPointer, boundBytes: Int, into output: inout [UInt8]
    ) throws(SnappyError) {
        let input = block.assumingMemoryBound(to: CChar.self)
        var claimed = 0
        guard snappy_uncompressed_length(input.baseAddress, input.count, &claimed) == SNAPPY_OK else {
            throw .damaged
        }
        guard claimed >= 0, claimed <= boundBytes else { throw .tooLarge(claimed: claimed, bound: boundBytes) }
        if output.count < claimed {
            output.append(contentsOf: repeatElement(0, count: claimed - output.count))
        } else {
            output.removeLast(output.count - claimed)
        }
        let status = output.withUnsafeMutableBytes { buffer in
            guard claimed > 0, let start = buffer.baseAddress else {
                // An empty block has nothing to write to; only its form is to be judged.
                return snappy_validate_compressed_buffer(input.baseAddress, input.count)
            }
            var count = claimed
            return snappy_uncompress(input.baseAddress, input.count, start.assumingMemoryBound(to: CChar.self), &count)
        }
        guard status == SNAPPY_OK else { throw .damaged }
    }

    public static func decompress(_ block: [UInt8], boundBytes: Int) throws(SnappyError) -> [UInt8] {
        var output: [UInt8] = []
        var result: Result<Void, SnappyError> = .failure(.damaged)
        block.withUnsafeBytes { bytes in
            result = Result { () throws(SnappyError) in
                try decompress(bytes, boundBytes: boundBytes, into: &output)
            }
        }
        try result.get()
        return output
    }

    public static func compress(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: snappy_max_compressed_length(bytes.count)) { buffer, count in
            var written = buffer.count
            let status = bytes.withUnsafeBytes { input in
                buffer.withMemoryRebound(to: CChar.self) { output in
                    snappy_compress(
                        input.assumingMemoryBound(to: CChar.self).baseAddress, input.count, output.baseAddress, &written
                    )
                }
            }
            // The library fails only for an output below the size just asked for.
            precondition(status == SNAPPY_OK, "snappy_compress of \(bytes.count) bytes: \(status)")
            count = written
        }
    }
}
