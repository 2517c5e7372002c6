import Telemetry
import Testing
import WireFormat

@Suite("what marks a relay")
struct RelayTests {
    @Test("a certificate of an earlier release is no relay's, and one of no relay is encoded as before")
    func certificate() throws {
        var certificate = RecordSamples.certificate
        let bytes = certificate.encoded()
        #expect(try Certificate(decoding: bytes).isRelay)
        certificate.isRelay = false
        #expect(certificate.encoded() == Array(bytes.dropLast()))
        #expect(try Certificate(decoding: Array(bytes.dropLast())) == certificate)
        #expect(throws: WireError.self) { try Certificate(decoding: bytes.dropLast() + [2]) }
    }

    @Test("a batch of what was handed on says so in its header", arguments: [true, false])
    func header(isSynchronized: Bool) throws {
        var header = RecordSamples.header
        header.clock.isSynchronized = isSynchronized
        for flags: BatchHeader.Flags in [[], .staleKey, .relayed, [.staleKey, .relayed]] {
            header.flags = flags
            var bytes: [UInt8] = []
            header.encode(into: &bytes)
            #expect(try BatchHeader(decodingPrefixOf: bytes) == header)
        }
        var bytes: [UInt8] = []
        header.encode(into: &bytes)
        bytes[7] |= 8
        #expect(throws: WireError.self) { try BatchHeader(decodingPrefixOf: bytes) }
    }
}
