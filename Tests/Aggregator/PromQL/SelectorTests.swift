import PromQL
import Telemetry
import Testing

@Suite("Selectors of match[]") struct SelectorTests {
    @Test(
        "what is accepted",
        arguments: [
            ("up", ["__name__=up"]),
            (" node:load1:avg ", ["__name__=node:load1:avg"]),
            ("{job=\"a\"}", ["job=a"]),
            ("up{}", ["__name__=up"]),
            ("up{a=\"b\",c!='d' , e=~`f.*`,g!~\"h|i\",}", ["__name__=up", "a=b", "c!=d", "e=~f.*", "g!~h|i"]),
            ("{__name__=~\"node_.+\"}", ["__name__=~node_.+"]),
            ("{a=\"q\\\"\\\\ \\u00e9\\n\\x41\"}", ["a=q\"\\ é\nA"]),
            ("{a=`\\d`}", ["a=\\d"]), ("{\"a b\"=\"c\"}", ["a b=c"]), ("{\"a.b\"}", ["__name__=a.b"]),
        ])
    func accepted(_ text: String, _ expected: [String]) throws {
        let matchers = try Parser.parseSelector(text)
        #expect(Set(matchers.map { "\($0.name)\($0.operation.rawValue)\($0.value)" }) == Set(expected))
    }

    @Test(
        "what is refused, with its place",
        arguments: [
            "", "{}", "1up", "up{", "up{a", "up{a=", "up{a=b}", "up{a=\"b\"", "up{a=\"b\" c=\"d\"}", "up{a=\"b}",
            "up{a=~\"(\"}", "up{a=\"\\q\"}", "up up", "{a=\"\"}", "{a=~\".*\"}", "{a!=\"b\"}", "up{,}", "up{a==\"b\"}",
            "up{a=\"b\nc\"}", "up[5m]", "up offset 5m", "sum(up)",
        ])
    func refused(_ text: String) {
        let error = #expect(throws: ParseError.self) { try Parser.parseSelector(text) }
        #expect(error?.description.contains("parse error: ") == true)
    }

    @Test("no text traps, however cut")
    func total() {
        let whole = Array("up{a=\"\\u00e9\\x41\",b!~`c|d`,\"e\"='f'}".unicodeScalars)
        for start in whole.indices {
            for end in start...whole.count {
                _ = try? Parser.parseSelector(String(String.UnicodeScalarView(whole[start..<end])))
            }
        }
        #expect(throws: ParseError.self) { try Parser.parseSelector(String(repeating: "a", count: 2 << 20)) }
    }
}
