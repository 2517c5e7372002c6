import JSON
import Telemetry
import Testing

@Suite("The JSON reader")
struct JSONReaderTests {
    private func skip(_ text: String) -> JSONError? {
        Array(text.utf8).withUnsafeBytes { bytes in
            var reader = JSONReader(bytes)
            do throws(JSONError) {
                try reader.skipValue()
                reader.skipWhitespace()
                guard reader.isAtEnd else { return JSONError(problem: .unexpectedEnd, offset: reader.position) }
                return nil
            } catch {
                return error
            }
        }
    }

    @Test(
        "accepts what RFC 8259 accepts",
        arguments: [
            "{}", "[]", " [ ] ", "null", "true", "false", "0", "-0", "1.5e-3", "1E+2", #""""#, #""\"""#,
            #"{"a":{"a":[{}]}}"#,
            #"[1,"a",null,true,{"b":[]}]"#, "\"\u{7f}å🎵\"", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
        ])
    func accepts(text: String) { #expect(skip(text) == nil) }

    @Test(
        "refuses what RFC 8259 refuses, and says where",
        arguments: [
            ("", 0), ("{", 1), ("[", 1), ("[1,]", 3), ("{\"a\":1,}", 7), ("[1 2]", 3), ("{\"a\" 1}", 5), ("{1:2}", 1),
            ("01", 0), ("+1", 0), (".5", 0), ("1.", 0), ("1e", 0), ("-", 0), ("nul", 0), ("True", 0), ("\"a", 2),
            ("\"a\nb\"", 2), ("\"\\", 2), ("'a'", 0), ("[1}", 2), ("]", 0), ("{\"a\":1]", 6), ("1e999", 0),
            ("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 16), ("nan", 0), ("/**/1", 0), ("{} x", 3), ("[,1]", 1),
        ])
    func refuses(text: String, offset: Int) { #expect(skip(text)?.offset == offset, "\(text)") }

    @Test(
        "numbers are exact",
        arguments: [
            "0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "0.1", "1e22", "1e23",
            "123456789012345678901234567890", "5e-324", "1.7976931348623157e308", "3.14159265358979", "-0.0", "1e-400",
        ])
    func numbers(text: String) throws {
        let number = try Array(text.utf8).withUnsafeBytes {
            var reader = JSONReader($0)
            return try reader.readNumber()
        }
        #expect(number.doubleValue.bitPattern == Double(text)?.bitPattern)
        if let whole = Int64(text) { #expect(number == .integer(whole)) }
    }

    @Test("a string of any length is found and decoded at any alignment")
    func strings() throws {
        for length in 0..<40 {
            for special in ["", "\\n", "å", "\\u00e5", "🎵"] {
                let text = String(repeating: "x", count: length)
                let decoded = try Array("  \"\(text)\(special)y\",".utf8).withUnsafeBytes {
                    var reader = JSONReader($0)
                    return try reader.readString()
                }
                let expected = special == "\\n" ? "\n" : special == "\\u00e5" ? "å" : special
                #expect(decoded == "\(text)\(expected)y")
            }
        }
        let invalid: [UInt8] = [0x22, 0xc3, 0x28, 0x22]
        #expect(throws: JSONError(problem: .invalidUTF8, offset: 1)) {
            try invalid.withUnsafeBytes {
                var reader = JSONReader($0)
                return try reader.readString()
            }
        }
    }
}
