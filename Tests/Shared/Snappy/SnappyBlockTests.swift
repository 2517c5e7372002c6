import Snappy
import Testing

@Suite("snappy blocks")
struct SnappyBlockTests {
    @Test("contents come back, through reused memory too")
    func roundTrip() throws {
        var output: [UInt8] = [1, 2, 3]
        for count in [0, 1, 100, 100_000, 7] {
            let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
            let block = SnappyBlock.compress(content)
            try block.withUnsafeBytes { try SnappyBlock.decompress($0, boundBytes: count, into: &output) }
            #expect(output == content)
            #expect(try SnappyBlock.decompress(block, boundBytes: 1 << 20) == content)
        }
    }

    @Test("a block of python-snappy")
    func foreign() throws {
        // python3 -c 'import snappy; print(list(snappy.compress(b"stagebox " * 6)))'
        let block: [UInt8] = [54, 32, 115, 116, 97, 103, 101, 98, 111, 120, 32, 178, 9, 0]
        #expect(
            try SnappyBlock.decompress(block, boundBytes: 54) == Array(String(repeating: "stagebox ", count: 6).utf8))
    }

    @Test("claims above the bound and damaged blocks are refused")
    func refused() {
        let block = SnappyBlock.compress([UInt8](repeating: 7, count: 1000))
        #expect(throws: SnappyError.tooLarge(claimed: 1000, bound: 999)) {
            try SnappyBlock.decompress(block, boundBytes: 999)
        }
        #expect(throws: SnappyError.tooLarge(claimed: 0xffff_ffff, bound: 1 << 20)) {
            try SnappyBlock.decompress([0xff, 0xff, 0xff, 0xff, 0x0f], boundBytes: 1 << 20)
        }
        #expect(throws: SnappyError.damaged) { try SnappyBlock.decompress([], boundBytes: 10) }
        for count in 0..<block.count {
            #expect(throws: SnappyError.self) {
                try SnappyBlock.decompress(Array(block.prefix(count)), boundBytes: 2000)
            }
        }
    }
}
