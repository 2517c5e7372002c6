import Telemetry
import Testing

@Suite struct PatternTests {
    @Test("patterns match whole values")
    func table() throws {
        func check(_ pattern: String, matches: [String], not: [String], line: Int = #line) throws {
            let compiled = try AnchoredPattern(pattern)
            for text in matches { #expect(compiled.matches(text), "\(pattern) should match \(text), line \(line)") }
            for text in not { #expect(!compiled.matches(text), "\(pattern) should not match \(text), line \(line)") }
        }
        try check("", matches: [""], not: ["a"])
        try check("a", matches: ["a"], not: ["", "aa", "ba"])
        try check("a|b|cd", matches: ["a", "b", "cd"], not: ["c", "ab"])
        try check("cpu[0-9]+", matches: ["cpu0", "cpu12"], not: ["cpu", "xcpu1", "cpu1x"])
        try check("a.*z", matches: ["az", "abcz", "a\nz"], not: ["a", "za"])
        try check("a{2,3}", matches: ["aa", "aaa"], not: ["a", "aaaa"])
        try check("a{2}", matches: ["aa"], not: ["a", "aaa"])
        try check("a{2,}", matches: ["aa", "aaaaa"], not: ["a"])
        try check("(?i)Node-[a-c]", matches: ["node-A", "NODE-c"], not: ["node-d"])
        try check("(?:x|y)?z", matches: ["z", "xz", "yz"], not: ["xyz"])
        try check("(?P<name>ab)+", matches: ["ab", "abab"], not: ["aba"])
        try check("[^/]+/[^/]+", matches: ["a/b"], not: ["a/b/c", "/b"])
        try check("\\d\\w\\s", matches: ["1a ", "2_\t"], not: ["aa ", "1- "])
        try check("[[:alpha:]]+\\.[[:digit:]]", matches: ["ab.1"], not: ["ab1", "1.1"])
        try check("\\Qa.b\\E.", matches: ["a.bx"], not: ["axbx"])
        try check("^a$", matches: ["a"], not: ["b"])
        try check("foo\\b.*", matches: ["foo", "foo bar"], not: ["foobar"])
        try check("ü+\\x{2F}", matches: ["ü/", "üü/"], not: ["u/"])
        try check("(a*)*b", matches: ["b", "aaab"], not: ["aaaa"])
        try check("[]a]", matches: ["]", "a"], not: ["b"])
        try check("a{,2}", matches: ["a{,2}"], not: ["a", "aa"])
    }

    @Test("invalid patterns name the position")
    func invalid() {
        for (pattern, position) in [("a(", 2), ("*", 0), ("a**", 3), ("[a", 2), ("a)", 1), ("\\", 1), ("[b-a]", 4)] {
            #expect(throws: PatternError.self, "\(pattern)") { try AnchoredPattern(pattern) }
            do { _ = try AnchoredPattern(pattern) } catch {
                #expect(error.position == position, "\(pattern): \(error)")
            }
        }
        #expect(throws: PatternError.self) { try AnchoredPattern("(((a{1000}){1000}){1000})") }
        #expect(throws: PatternError.self) { try AnchoredPattern(String(repeating: "(", count: 2000)) }
        #expect(throws: PatternError.self) { try AnchoredPattern(String(repeating: "a", count: 5000)) }
    }

    @Test("a pattern made to backtrack forever takes linear steps")
    func linear() throws {
        let pattern = try AnchoredPattern("(a+)+(a+)+(a+)+b")
        #expect(!pattern.matches(String(repeating: "a", count: 3000)))
    }

    @Test("alternatives of plain texts are known as such")
    func literals() throws {
        #expect(try AnchoredPattern("a|b(c|d)").literals == ["a", "bc", "bd"])
        #expect(try AnchoredPattern("a|b|a|(a|b)").literals == ["a", "b"])
        #expect(try AnchoredPattern("a+").literals == nil)
        #expect(try LabelMatcher("x", .matches, "a|b").candidateValues == ["a", "b"])
    }
}

@Suite struct CapturingPatternTests {
    @Test(
        "groups capture what a backtracking matcher finds first",
        arguments: [
            ("source-(.*)", "source-10", "v-$1", "v-10"), ("(.*)-value-(.*)", "a-value-b", "$2$1", "ba"),
            ("(?P<x>a+)(?P<y>a*)", "aaa", "${x}.$y", "aaa."), ("(a+?)(a*)", "aaa", "$1.$2", "a.aa"),
            ("(a|ab)(c|bcd)?(d*)", "abcd", "$1,$2,$3", "a,bcd,"), ("(x)|(y)", "y", "[$1$2]", "[y]"),
            (".*", "a\nb", "$0", "a\nb"), ("(.*)", "", "value-$1", "value-"), ("(.)(.)", "ab", "$$1$", "$1$"),
            ("(a)", "a", "$1x ${1}x ${2} $", " ax  $"), ("(?i:(NODE))-(\\d+)", "node-7", "$2", "7"),
        ])
    func captures(pattern: String, text: String, template: String, expected: String) throws {
        #expect(try CapturingPattern(pattern).match(text)?.expand(template) == expected)
    }

    @Test("a text that matches only in part does not match")
    func anchored() throws {
        #expect(try CapturingPattern("value-(.*)").match("source-value-1") == nil)
        #expect(try CapturingPattern("a").match("ab") == nil)
        #expect(throws: PatternError.self) { try CapturingPattern("(.*") }
    }
}
