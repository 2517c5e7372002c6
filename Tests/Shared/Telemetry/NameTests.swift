import Telemetry
import Testing

@Suite("names and identifiers")
struct NameTests {
    @Test(
        "the grammar of names",
        arguments: [
            ("a", true), ("edge-1.fra_2", true), ("0", true), (String(repeating: "x", count: 64), true),
            ("", false), ("_fleet", false), ("-a", false), (".a", false), ("Edge", false), ("a/b", false),
            ("a+", false),
            ("é", false), (String(repeating: "x", count: 65), false),
        ])
    func grammar(text: String, isValid: Bool) {
        #expect((TenantID(rawValue: text) != nil) == isValid)
        #expect((AgentID(rawValue: text) != nil) == isValid)
    }

    @Test("a refused name says what is allowed")
    func refusal() throws {
        let error = #expect(throws: NameError.self) { try GroupName(validating: "No Spaces") }
        #expect(error?.description.contains("group") == true)
    }

    @Test("128 and 256 bit identifiers keep their bytes and their order")
    func identifiers() throws {
        let bytes = (0..<16).map { UInt8($0 * 16 + 1) }
        let id = try #require(ID128(bytes: bytes))
        #expect(id.bytes == bytes)
        #expect(ID128(hexadecimal: id.description) == id)
        #expect(ID128(bytes: bytes.dropLast()) == nil)
        #expect(ID128(hexadecimal: "zz") == nil)
        #expect(ID128(high: 0, low: 5) < ID128(high: 1, low: 0))
        let long = ID256(high: id, low: .zero)
        #expect(ID256(bytes: long.bytes) == long)
        #expect(ID256(hexadecimal: long.description) == long)
    }

    @Test("time arithmetic saturates instead of trapping")
    func saturation() {
        let late = Timestamp(milliseconds: .max - 1)
        #expect(late.advanced(byMilliseconds: 10) == .distantFuture)
        #expect(Timestamp.distantPast.milliseconds(since: .distantFuture) == .min)
        #expect(Timestamp(seconds: 2).milliseconds(since: Timestamp(seconds: 1)) == 1000)
    }
}
