import Telemetry
import TestSupport
import Testing
import WireFormat

/// The bytes of version 1 as files: what an older agent or aggregator has written must stay readable.
@Suite("golden records")
struct RecordGoldenTests {
    static func goldenPath(_ name: String, _ file: String = #filePath) -> String {
        (file.lastIndex(of: "/").map { String(file[..<$0]) } ?? ".") + "/Golden/\(name)"
    }

    private func check(_ name: String, _ bytes: [UInt8]) throws {
        let path = Self.goldenPath("Record-\(name)-v1.hex")
        let lines = stride(from: 0, to: bytes.count, by: 32).map {
            Hexadecimal.encode(bytes[$0..<min($0 + 32, bytes.count)])
        }
        let text = lines.joined(separator: "\n") + "\n"
        if DataDirectories.isRecording { try Files.write(Array(text.utf8), to: path) }
        #expect(try Files.text(path) == text, "\(path)")
    }

    @Test("every record encodes to its golden bytes", arguments: RecordSamples.all)
    func records(sample: RecordSamples.Case) throws { try check(sample.name, sample.bytes) }

    @Test("golden bytes decode to the sample", arguments: RecordSamples.all)
    func decoding(sample: RecordSamples.Case) throws {
        let text = try Files.text(Self.goldenPath("Record-\(sample.name)-v1.hex"))
        let bytes = try #require(Hexadecimal.decode(text.split(separator: "\n").joined()))
        #expect(try sample.decodesToSample(bytes))
    }

    @Test("the batch header encodes to its golden bytes")
    func header() throws {
        var bytes: [UInt8] = []
        RecordSamples.header.encode(into: &bytes)
        try check("batch-header", bytes)
        #expect(bytes.count == RecordSamples.header.encodedBytes)
        #expect(try BatchHeader(decodingPrefixOf: bytes) == RecordSamples.header)
    }

    @Test("the signed envelope encodes to its golden bytes")
    func envelope() throws {
        let envelope = SignedEnvelope(kind: .manifest, body: [1, 2, 3], signature: [UInt8](0..<64))
        try check("signed-envelope", envelope.encoded())
        #expect(try SignedEnvelope(decoding: envelope.encoded()) == envelope)
    }

    @Test("an enrolment token's text is golden")
    func tokenText() throws {
        let path = Self.goldenPath("Record-enrolment-token-v1.txt")
        if DataDirectories.isRecording { try Files.write(Array((RecordSamples.token.text + "\n").utf8), to: path) }
        #expect(try Files.text(path) == RecordSamples.token.text + "\n")
        #expect(try EnrolmentToken(text: Files.text(path)) == RecordSamples.token)
    }
}
