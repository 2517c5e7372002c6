import CZlib

/// Deflates to a gzip stream (RFC 1952) in pieces. Some 260 KiB of memory. For one user at a time.
public final class GzipDeflater {
    /// Of zlib's levels the fastest: a fifth of the bytes of JSON for a tenth of the time of the densest.
    public static let fastLevel: Int32 = 1

    private let stream: UnsafeMutablePointer<z_stream>
    private var chunk = [UInt8](repeating: 0, count: 32 * 1024)

    /// - Parameter level: 1 (fast) to 9 (dense).
    public init(level: Int32 = fastLevel) throws(GzipError) {
        precondition((1...9).contains(level), "level \(level)")
        // zlib keeps the stream's address and checks it.
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard stagebox_gzip_deflate_init(stream, level) == Z_OK else { throw .outOfMemory }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Takes a piece and appends what is ready; some of it stays inside until later.
    public func append(_ piece: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        var rest = piece[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            rest = rest.dropFirst(part.count)
            run(part, Z_NO_FLUSH, &output)
        }
    }

    /// Ends the stream; nothing may follow.
    public func finish(to output: inout [UInt8]) {
        run(UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH, &output)
    }

    private func run(_ piece: UnsafeRawBufferPointer, _ flush: Int32, _ output: inout [UInt8]) {
        // zlib reads only; its interface predates const.
        stream.pointee.next_in = piece.baseAddress.map {
            UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self))
        }
        stream.pointee.avail_in = UInt32(piece.count)
        repeat {
            let count = chunk.withUnsafeMutableBufferPointer { buffer -> Int in
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = UInt32(buffer.count)
                // Fails only for a stream that is not set up, and with Z_BUF_ERROR when there is nothing to do.
                _ = CZlib.deflate(stream, flush)
                return buffer.count - Int(stream.pointee.avail_out)
            }
            output.append(contentsOf: chunk.prefix(count))
        } while stream.pointee.avail_out == 0
        stream.pointee.next_in = nil
    }

    /// A whole stream at once.
    public static func deflate(_ bytes: [UInt8], level: Int32 = fastLevel) throws(GzipError) -> [UInt8] {
        let deflater = try GzipDeflater(level: level)
        var output: [UInt8] = []
        bytes.withUnsafeBytes { deflater.append($0, to: &output) }
        deflater.finish(to: &output)
        return output
    }
}
