import Gzip
import Testing

@Suite("gzip") struct GzipTests {
    private static let text = Array(String(repeating: "{\"metric\":{},\"value\":[1,\"2\"]},", count: 5000).utf8)

    @Test("what is deflated inflates to the same, in any pieces")
    func roundTrip() throws {
        for bytes in [[], [7], Self.text] {
            let packed = try GzipDeflater.deflate(bytes)
            #expect(try GzipInflater.inflate(packed, boundBytes: bytes.count) == bytes)
            for size in [1, 3, 1000] {
                let inflater = try GzipInflater(boundBytes: bytes.count)
                var output: [UInt8] = []
                for start in stride(from: 0, to: packed.count, by: size) {
                    try inflater.append(Array(packed[start..<min(start + size, packed.count)]), to: &output)
                }
                try inflater.finish()
                #expect(output == bytes)
            }
        }
    }

    @Test("members one after the other are one content")
    func members() throws {
        let two = try GzipDeflater.deflate(Array("one ".utf8)) + GzipDeflater.deflate(Array("two".utf8))
        #expect(try GzipInflater.inflate(two, boundBytes: 100) == Array("one two".utf8))
    }

    @Test("a stream cut anywhere is refused, and so is one with a flipped bit, or behind its end")
    func damage() throws {
        let packed = try GzipDeflater.deflate(Array("some text, some text, some more text".utf8))
        for end in 0..<packed.count {
            #expect(throws: GzipError.truncated) {
                _ = try GzipInflater.inflate(Array(packed[..<end]), boundBytes: 1000)
            }
        }
        // The header's time, extra flags and system (offsets 4 to 9) mean nothing to the content.
        for index in packed.indices where !(4...9).contains(index) {
            var flipped = packed
            flipped[index] ^= 0x40
            #expect(throws: GzipError.self) { _ = try GzipInflater.inflate(flipped, boundBytes: 1000) }
        }
        #expect(throws: GzipError.damaged) {
            _ = try GzipInflater.inflate(packed + Array("garbage behind".utf8), boundBytes: 1000)
        }
    }

    @Test("a bomb is refused at the bound, before it is held")
    func bomb() throws {
        let deflater = try GzipDeflater(level: 9)
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var bomb: [UInt8] = []
        for _ in 0..<200 { zeros.withUnsafeBytes { deflater.append($0, to: &bomb) } }
        deflater.finish(to: &bomb)
        #expect(bomb.count < 1 << 20)
        let inflater = try GzipInflater(boundBytes: 1 << 20)
        var output: [UInt8] = []
        #expect(throws: GzipError.tooLarge(bound: 1 << 20)) {
            try inflater.append(bomb, to: &output)
        }
        #expect(output.count <= 1 << 20)
    }
}
