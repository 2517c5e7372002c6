import RuntimeSupport
import Telemetry
import Testing
import WireFormat

/// Any bytes give a value or an error.
@Suite("record decoding is total")
struct RecordDecodingTests {
    @Test("a truncated record is an error at every length", arguments: RecordSamples.all)
    func truncation(sample: RecordSamples.Case) {
        let added = RecordSamples.addedBytes[sample.name] ?? 0
        for size in 0..<sample.bytes.count where size != sample.bytes.count - added {
            #expect(throws: WireError.self, "\(size) bytes") { try sample.reencode(Array(sample.bytes.prefix(size))) }
        }
    }

    @Test("fields of a later release at the end are passed over", arguments: RecordSamples.all)
    func laterFields(sample: RecordSamples.Case) throws {
        #expect(try sample.decodesToSample(sample.bytes + [1, 2, 3]))
    }

    @Test("another version is named", arguments: RecordSamples.all)
    func version(sample: RecordSamples.Case) {
        var bytes = sample.bytes
        bytes[0] = 2
        #expect(throws: WireError.unsupportedVersion(2)) { try sample.reencode(bytes) }
    }

    @Test("mutated records decode to something that encodes stably, or to an error", arguments: RecordSamples.all)
    func mutations(sample: RecordSamples.Case) throws {
        var generator = SeededGenerator(seed: 0x5b01)
        var decoded = 0
        for _ in 0..<4000 {
            var bytes = sample.bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 1..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            guard let once = try? sample.reencode(bytes) else { continue }
            decoded += 1
            #expect(try sample.reencode(once) == once)
        }
        #expect(decoded > 0)
    }

    @Test("random bytes never trap", arguments: RecordSamples.all)
    func noise(sample: RecordSamples.Case) {
        var generator = SeededGenerator(seed: 0x5b02)
        for _ in 0..<2000 {
            let size = Int.random(in: 0...200, using: &generator)
            let bytes = [1] + (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = try? sample.reencode(bytes)
            _ = try? SignedEnvelope(decoding: bytes)
            _ = try? BatchHeader(decodingPrefixOf: bytes)
        }
    }

    @Test("counts beyond their bound are refused before anything is allocated")
    func bounds() {
        var writer = ByteWriter()
        writer.write(1 as UInt8)
        writer.write(varint: UInt64.max)
        #expect(throws: WireError.tooLarge("losses")) { try LossBody(decoding: writer.bytes) }
        #expect(throws: WireError.tooLarge("record")) {
            try LossBody(decoding: [UInt8](repeating: 0, count: WireLimits.batchBytesMax + 1))
        }
    }

    @Test("an acknowledgement holds 64 ranges over all lanes, no more")
    func ranges() throws {
        var acknowledgement = RecordSamples.acknowledgement
        func settled(_ counts: [Int]) -> [Acknowledgement.Settled] {
            counts.map { count -> Acknowledgement.Settled in
                let ranges = (0..<UInt64(count)).map { (index: UInt64) -> ClosedRange<UInt64> in
                    let start: UInt64 = 3 + 2 * index
                    return start...start
                }
                return Acknowledgement.Settled(laneKey: RecordSamples.live, contiguous: 1, ranges: ranges)
            }
        }
        acknowledgement.settled = settled([40, 24])
        #expect(try Acknowledgement(decoding: acknowledgement.encoded()) == acknowledgement)
        acknowledgement.settled = settled([40, 25])
        #expect(throws: WireError.tooLarge("ranges")) { try Acknowledgement(decoding: acknowledgement.encoded()) }
    }

    @Test("header rules: tables and keys have no sequence, others have one")
    func sequences() throws {
        var header = RecordSamples.header
        header.kind = .table
        header.sequence = 0
        var bytes: [UInt8] = []
        header.encode(into: &bytes)
        #expect(try BatchHeader(decodingPrefixOf: bytes) == header)
        bytes[5] = BatchKind.events.rawValue
        #expect(throws: WireError.invalid("sequence")) { try BatchHeader(decodingPrefixOf: bytes) }
        bytes[5] = 99
        #expect(throws: WireError.invalid("kind")) { try BatchHeader(decodingPrefixOf: bytes) }
    }

    @Test("a mistyped enrolment token is told from a good one, white space around it is fine")
    func tokens() throws {
        let text = RecordSamples.token.text
        #expect(try EnrolmentToken(text: "  \(text)\n") == RecordSamples.token)
        for (offset, index) in text.indices.enumerated() where offset >= EnrolmentToken.prefix.count {
            let wrong: Character = text[index] == "A" ? "B" : "A"
            let mistyped = text.replacingCharacter(at: index, with: wrong)
            #expect(throws: WireError.self, "character \(offset)") { try EnrolmentToken(text: mistyped) }
            #expect(throws: WireError.self) { try EnrolmentToken(text: String(text[..<index])) }
        }
    }
}

extension String {
    fileprivate func replacingCharacter(at index: Index, with character: Character) -> String {
        String(self[..<index]) + String(character) + String(self[self.index(after: index)...])
    }
}
