import API
import Telemetry
import Testing

@Suite("Selectors") struct SelectorTests {
    @Test(
        "what PromQL accepts",
        arguments: [
            ("up", ["__name__=up"]),
            (" node:load1:avg ", ["__name__=node:load1:avg"]),
            ("{job=\"a\"}", ["job=a"]),
            ("up{}", ["__name__=up"]),
            ("up{a=\"b\",c!='d' , e=~`f.*`,g!~\"h|i\",}", ["__name__=up", "a=b", "c!=d", "e=~f.*", "g!~h|i"]),
            ("{__name__=~\"node_.+\"}", ["__name__=~node_.+"]),
            ("{a=\"q\\\"\\\\ \\u00e9\\n\\x41\"}", ["a=q\"\\ é\nA"]),
            ("{a=`\\d`}", ["a=\\d"]), ("{\"a b\"=\"c\"}", ["a b=c"]),
        ])
    func accepted(_ text: String, _ expected: [String]) throws {
        let matchers = try Selector.parse(text)
        #expect(matchers.map { "\($0.name)\($0.operation.rawValue)\($0.value)" } == expected)
    }

    @Test(
        "what it refuses, and where",
        arguments: [
            ("", 0), ("{}", 2), ("1up", 0), ("up{", 3), ("up{a", 4), ("up{a=", 5), ("up{a=b}", 5), ("up{a=\"b\"", 8),
            ("up{a=\"b\" c=\"d\"}", 9), ("up{a=\"b}", 5), ("up{a=~\"(\"}", 6), ("up{a=\"\\q\"}", 6), ("up up", 3),
            ("{a=\"\"}", 0), ("{a=~\".*\"}", 0), ("{a!=\"b\"}", 0), ("up{,}", 3), ("up{a==\"b\"}", 5),
            ("up{a=\"\\x+1\"}", 6), ("up{a=\"b\nc\"}", 7),
        ])
    func refused(_ text: String, _ position: Int) {
        let error = #expect(throws: SelectorError.self) { try Selector.parse(text) }
        #expect(error?.position == position, "\(error?.description ?? "accepted")")
    }

    @Test("no text traps, however cut")
    func total() {
        let whole = Array("up{a=\"\\u00e9\\x41\",b!~`c|d`,\"e\"='f'}".unicodeScalars)
        for start in whole.indices {
            for end in start...whole.count {
                _ = try? Selector.parse(String(String.UnicodeScalarView(whole[start..<end])))
            }
        }
        #expect(throws: SelectorError.self) { try Selector.parse(String(repeating: "a", count: 9000)) }
    }
}
