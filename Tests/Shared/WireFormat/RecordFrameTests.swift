import RuntimeSupport
import Testing
import WireFormat

@Suite("body framing")
struct RecordFrameTests {
    private func frame(_ plain: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        plain.withUnsafeBytes { BodyFrame.append($0, to: &bytes) }
        return bytes
    }
    private func unframe(_ bytes: [UInt8]) throws(WireError) -> Int {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(WireError) in try BodyFrame.plaintextBytes(of: buffer) }
        }
        return try result.get()
    }

    @Test("frames give their plaintext back and only bucket sizes occur")
    func roundTrip() throws {
        for size in 0...3000 {
            let bytes = frame([UInt8](repeating: 7, count: size))
            #expect(bytes.count == BodyFrame.framedBytes(size))
            #expect(BodyFrame.framedBytes(bytes.count - BodyFrame.lengthBytes) == bytes.count)
            #expect(try unframe(bytes) == size)
        }
    }

    @Test("padding costs little: at most 1/16, about 3 % on average over sizes")
    func overhead() {
        var framed = 0
        var plain = 0
        for size in 1024...65_536 {
            framed += BodyFrame.framedBytes(size) - BodyFrame.lengthBytes
            plain += size
            #expect(Double(BodyFrame.framedBytes(size)) <= Double(size + BodyFrame.lengthBytes) * 1.0625)
        }
        #expect(Double(framed) / Double(plain) < 1.035)
    }

    @Test("the largest plaintext for a frame fits, one byte more does not")
    func largest() {
        for limit in [64, 100, 1000, 65_000, 262_144] {
            let size = BodyFrame.plaintextBytesMax(framed: limit)
            #expect(BodyFrame.framedBytes(size) <= limit && BodyFrame.framedBytes(size + 1) > limit)
        }
        #expect(BodyFrame.plaintextBytesMax(framed: 63) < 0)
    }

    @Test("a frame with other padding, length or size is refused")
    func canonical() throws {
        let good = frame([1, 2, 3])
        var dirty = good
        dirty[63] = 1
        #expect(throws: WireError.invalid("padding")) { try unframe(dirty) }
        #expect(throws: WireError.invalid("body length")) { try unframe(good + [0]) }
        var long = good
        long[1] = 1
        #expect(throws: WireError.invalid("body length")) { try unframe(long) }
        #expect(throws: WireError.truncated("body length")) { try unframe([1]) }
    }
}
