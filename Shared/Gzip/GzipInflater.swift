import CZlib

/// Inflates a gzip stream (RFC 1952) that comes in pieces, one member after the other.
///
/// Some 40 KiB of memory beside the output, which never exceeds the bound. Total: any bytes give content or a
/// ``GzipError``. For one user at a time.
public final class GzipInflater {
    private let stream: UnsafeMutablePointer<z_stream>
    private let boundBytes: Int
    private var produced = 0
    /// Between members, or before the first.
    private var isAtStart = true
    private var hasMember = false
    private var chunk = [UInt8](repeating: 0, count: 32 * 1024)

    /// - Parameter boundBytes: of everything inflated.
    public init(boundBytes: Int) throws(GzipError) {
        // zlib keeps the stream's address and checks it.
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        self.boundBytes = boundBytes
        guard stagebox_gzip_inflate_init(stream) == Z_OK else { throw .outOfMemory }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Inflates the next piece and appends what comes out.
    public func append(_ piece: UnsafeRawBufferPointer, to output: inout [UInt8]) throws(GzipError) {
        guard let start = piece.baseAddress, piece.count > 0 else { return }
        // zlib reads only; its interface predates const.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: start.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(clamping: piece.count)
        defer { stream.pointee.next_in = nil }
        // Beyond 4 GiB in one piece no caller of ours comes; then the rest would be lost.
        guard piece.count <= Int(UInt32.max) else { throw .tooLarge(bound: boundBytes) }
        repeat { try step(&output) } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
    }

    public func append(_ piece: [UInt8], to output: inout [UInt8]) throws(GzipError) {
        var result: Result<Void, GzipError> = .success(())
        piece.withUnsafeBytes { bytes in
            result = Result { () throws(GzipError) in try append(bytes, to: &output) }
        }
        try result.get()
    }

    private func step(_ output: inout [UInt8]) throws(GzipError) {
        if isAtStart, hasMember {
            guard stream.pointee.avail_in > 0 else { return stream.pointee.avail_out = 1 }
            guard inflateReset(stream) == Z_OK else { throw .damaged }
        }
        let (status, count) = chunk.withUnsafeMutableBufferPointer { buffer -> (Int32, Int) in
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(buffer.count)
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            return (status, buffer.count - Int(stream.pointee.avail_out))
        }
        guard produced + count <= boundBytes else { throw .tooLarge(bound: boundBytes) }
        produced += count
        output.append(contentsOf: chunk.prefix(count))
        switch status {
        case Z_STREAM_END:
            isAtStart = true
            hasMember = true
        case Z_OK: isAtStart = false
        case Z_BUF_ERROR:
            // Nothing to do until the next piece.
            isAtStart = false
            guard stream.pointee.avail_in == 0 else { throw .damaged }
        case Z_MEM_ERROR: throw .outOfMemory
        default: throw .damaged
        }
    }

    /// To be called when there are no more pieces.
    public func finish() throws(GzipError) {
        guard isAtStart, hasMember else { throw .truncated }
    }

    /// A whole stream at once.
    public static func inflate(_ bytes: [UInt8], boundBytes: Int) throws(GzipError) -> [UInt8] {
        let inflater = try GzipInflater(boundBytes: boundBytes)
        var output: [UInt8] = []
        try inflater.append(bytes, to: &output)
        try inflater.finish()
        return output
    }
}
