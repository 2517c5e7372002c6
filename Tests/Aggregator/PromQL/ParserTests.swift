import PromQL
import Testing

@Suite struct ParserTests {
    @Test(
        "expressions print as Prometheus prints them",
        arguments: [
            ("1", "1"), ("+1", "1"), ("-1", "-1"), ("0x1F", "31"), ("017", "15"), ("1e3", "1000"), (".5", "0.5"),
            ("1_000", "1000"), ("Inf", "+Inf"), ("-inf", "-Inf"), ("NaN", "NaN"), ("5m", "5m"), ("90m", "1h30m"),
            ("1 + 2 * 3 ^ 2", "1 + 2 * 3 ^ 2"), ("(1+2)*3", "(1 + 2) * 3"), ("-a^2", "-a ^ 2"), ("a % -b", "a % -b"),
            ("a", "a"), ("a:b", "a:b"), ("sum", "sum"), ("by", "by"), ("offset", "offset"), ("start", "start"),
            ("a{}", "a"), ("a{b='c',}", "a{b=\"c\"}"), ("{b=\"c\"}", "{b=\"c\"}"),
            ("{__name__=\"a\"}", "{__name__=\"a\"}"),
            ("{\"a.b\", c!~\"d.*\"}", "{__name__=\"a.b\",c!~\"d.*\"}"),
            ("{\"x y\"=`z`, a=\"b\"}", "{\"x y\"=\"z\",a=\"b\"}"),
            ("a offset 5m", "a offset 5m"), ("a offset -1h", "a offset -1h"), ("a offset 90", "a offset 1m30s"),
            ("a @ 1.5", "a @ 1.500"), ("a @ start()", "a @ start()"), ("a offset 5m @ end()", "a @ end() offset 5m"),
            ("a[5m]", "a[5m]"), ("a[1d2h] @ 0 offset 1w", "a[1d2h] @ 0.000 offset 1w"), ("a[300]", "a[5m]"),
            ("a[1h:5m]", "a[1h:5m]"), ("a[1h:]", "a[1h:]"), ("(a+b)[1h:5m] offset 1m", "(a + b)[1h:5m] offset 1m"),
            ("rate(a[5m])[1h:]", "rate(a[5m])[1h:]"),
            ("sum(a) by (b, c)", "sum by (b, c) (a)"), ("SUM without(b,)(a)", "sum without (b) (a)"),
            ("topk(3, a)", "topk(3, a)"), ("count_values(\"v\", a)", "count_values(\"v\", a)"),
            ("sum by (\"x y\", by) (a)", "sum by (\"x y\", by) (a)"), ("sum by () (a)", "sum(a)"),
            ("a == bool 1", "a == bool 1"), ("a + on (x) b", "a + on (x) b"),
            ("a and ignoring(x) b", "a and ignoring (x) b"),
            ("a / on(x) group_left(y, z) b", "a / on (x) group_left (y, z) b"),
            ("a / ignoring(x) group_right b", "a / ignoring (x) group_right () b"), ("a atan2 b", "a atan2 b"),
            ("a # comment\n + b", "a + b"), ("time()", "time()"), ("vector(1) > bool -1", "vector(1) > bool -1"),
            ("label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")", "label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")"),
            ("\"a\\n\\u00e9\\x41\"", "\"a\\néA\""), ("`a\\n`", "\"a\\\\n\""), ("'a\"'", "\"a\\\"\""),
        ])
    func prints(text: String, expected: String) throws {
        let expression = try Parser.parse(text)
        #expect(Printer.line(expression) == expected)
        // What is printed reads back as the same.
        #expect(Printer.line(try Parser.parse(expected)) == expected)
    }

    @Test(
        "faults name the place and what was expected",
        arguments: [
            ("", "unknown position: parse error: no expression found in input"),
            ("# only a comment", "1:1: parse error: no expression found in input"),
            ("1 +", "1:4: parse error: unexpected end of input"),
            ("*1", "1:1: parse error: unexpected <op:*>"),
            ("(1))", "1:4: parse error: unexpected right parenthesis ')'"),
            ("((1)", "1:5: parse error: unclosed left parenthesis"),
            ("a[5m", "1:5: parse error: unclosed left bracket"),
            ("a{b=\"c\"", "1:8: parse error: unexpected end of input inside braces"),
            ("a{b}", "1:4: parse error: unexpected \"}\" in label matching, expected label matching operator"),
            ("a{b=c}", "1:5: parse error: unexpected identifier \"c\" in label matching, expected string"),
            ("a{1=\"c\"}", "1:3: parse error: unexpected character inside braces: '1'"),
            (
                "a{b=\"c\" d}",
                "1:9: parse error: unexpected identifier \"d\" in label matching, expected \",\" or \"}\""
            ),
            ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
            ("{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
            ("a{__name__=\"b\"}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""),
            ("a b", "1:3: parse error: unexpected identifier \"b\""),
            ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
            ("1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
            ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
            ("a and on(x) group_left b", "1:1: parse error: no grouping allowed for \"and\" operation"),
            (
                "a + on(x) group_left(x) b",
                "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once"
            ),
            ("a + group_left b", "1:5: parse error: unexpected <group_left>"),
            ("1 + on(x) 2", "1:1: parse error: vector matching only allowed between instant vectors"),
            ("a[5m] + 1", "1:1: parse error: binary expression must contain only scalar and instant vector types"),
            (
                "rate(a)",
                "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"
            ),
            ("abs(1)", "1:5: parse error: expected type instant vector in call to function \"abs\", got scalar"),
            ("abs()", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 0"),
            ("round(a, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
            (
                "label_join(a, \"b\")",
                "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2"
            ),
            ("abs(a,)", "1:6: parse error: trailing commas not allowed in function call args"),
            ("nope(a)", "1:1: parse error: unknown function with name \"nope\""),
            ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
            (
                "sum(a, b)",
                "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2"
            ),
            ("topk(a, b)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"),
            ("sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"),
            ("sum by a (b)", "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\""),
            ("sum by (1) (b)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"),
            ("a offset b", "1:10: parse error: unexpected identifier \"b\" in offset, expected number or duration"),
            ("a offset 5m offset 3m", "1:1: parse error: offset may not be set multiple times"),
            (
                "1 offset 5m",
                "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            ),
            ("a @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
            ("a @ b", "1:5: parse error: unexpected identifier \"b\" in @, expected timestamp"),
            ("a[0s]", "1:3: parse error: duration must be greater than 0"),
            ("a[]", "1:3: parse error: unexpected \"]\" in subquery selector, expected number or duration"),
            ("a[5m 1]", "1:6: parse error: unexpected number \"1\" in subquery or range, expected \":\" or \"]\""),
            ("a[1s1h]", "1:3: parse error: not a valid duration string: \"1s1h\""),
            ("(a+b)[5m]", "1:6: parse error: ranges only allowed for vector selectors"),
            ("a offset 1m[5m]", "1:12: parse error: no offset modifiers allowed before range"),
            ("rate(a[5m])[1m", "1:15: parse error: unclosed left bracket"),
            ("a[5m][1m:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"),
            (
                "-\"a\"",
                "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\""
            ),
            ("\"a", "1:1: parse error: unterminated quoted string"),
            ("`a", "1:1: parse error: unterminated raw string"),
            ("\"\\q\"", "1:1: parse error: unknown escape sequence 'q'"),
            ("a\n+\n*", "3:1: parse error: unexpected <op:*>"),
            ("5mm", "1:1: parse error: bad number or duration syntax: \"5mm\""),
            ("$a", "1:1: parse error: unexpected character: '$'"),
            ("a ! b", "1:3: parse error: unexpected character after '!': ' '"),
            ("sort_by_label(a, \"b\")", "1:1: parse error: function \"sort_by_label\" is not enabled"),
            (
                "limitk(1, a)",
                "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
            ),
            ("a[5m+1m]", "1:3: parse error: experimental duration expression is not enabled"),
            ("a[5m] smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled"),
            ("a + fill(1) b", "1:5: parse error: binop fill modifiers are experimental and not enabled"),
        ])
    func faults(text: String, expected: String) {
        let error = #expect(throws: ParseError.self, "\(text)") { try Parser.parse(text) }
        #expect(error?.description == expected)
    }

    @Test(
        "experimental parts are read when allowed",
        arguments: [
            ("a[5m+1m*2]", "a[5m + 1m * 2]"), ("a[step()]", "a[step()]"), ("a offset -(1m+2m)", "a offset -(1m + 2m)"),
            ("a[max(step(), 5m):range()/10]", "a[max(step(), 5m):range() / 10]"), ("a[5m] anchored", "a[5m] anchored"),
            ("a smoothed offset 1m", "a smoothed offset 1m"), ("a + on(x) fill(0) b", "a + on (x) fill (0) b"),
            ("a - fill_left(1) fill_right(-2) b", "a - fill_left (1) fill_right (-2) b"),
            ("fill + fill", "fill + fill"),
            ("limit_ratio(-0.5, a)", "limit_ratio(-0.5, a)"), ("start() + end()", "start() + end()"),
            ("info(a, {b=~\".*\"})", "info(a, {b=~\".*\"})"),
        ])
    func experimental(text: String, expected: String) throws {
        #expect(Printer.line(try Parser.parse(text, options: .all)) == expected)
    }

    @Test("long expressions print in several lines")
    func pretty() throws {
        let text =
            "sum by (instance) (rate(some_quite_long_metric_name_total{job=\"a\",instance=~\"b.*\"}[5m])) / "
            + "ignoring(x) group_left topk(5, other_metric_name{region=\"europe-west\"} offset 5m)"
        #expect(
            Printer.pretty(try Parser.parse(text)) == """
                  sum by (instance) (rate(some_quite_long_metric_name_total{instance=~"b.*",job="a"}[5m]))
                / ignoring (x) group_left ()
                  topk(5, other_metric_name{region="europe-west"} offset 5m)
                """)
        #expect(Printer.pretty(try Parser.parse("a+b")) == "a + b")
    }

    @Test("syntax trees are written as JSON")
    func tree() throws {
        let text = "sum by (a) (rate(b{c!=\"d\"}[5m] offset 1m)) > bool on(x) group_left(y) -e @ end()"
        #expect(
            String(decoding: SyntaxTreeEncoder.bytes(try Parser.parse(text)), as: UTF8.self)
                == "{\"bool\":true,\"lhs\":{\"expr\":{\"args\":[{\"matchers\":[{\"name\":\"c\",\"type\":\"!=\",\"value\":\"d\"},"
                + "{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"b\"}],\"name\":\"b\",\"offset\":60000,\"range\":300000,"
                + "\"startOrEnd\":null,\"timestamp\":null,\"type\":\"matrixSelector\"}],\"func\":{\"argTypes\":[\"matrix\"],"
                + "\"name\":\"rate\",\"returnType\":\"vector\",\"variadic\":0},\"type\":\"call\"},\"grouping\":[\"a\"],"
                + "\"op\":\"sum\",\"param\":null,\"type\":\"aggregation\",\"without\":false},\"matching\":{\"card\":\"many-to-one\","
                + "\"include\":[\"y\"],\"labels\":[\"x\"],\"on\":true},\"op\":\">\",\"rhs\":{\"expr\":{\"matchers\":"
                + "[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"e\"}],\"name\":\"e\",\"offset\":0,\"startOrEnd\":\"end\","
                + "\"timestamp\":null,\"type\":\"vectorSelector\"},\"op\":\"-\",\"type\":\"unaryExpr\"},\"type\":\"binaryExpr\"}"
        )
    }

    @Test("hostile texts are refused, not followed into the ground")
    func hostile() {
        for text in [
            String(repeating: "(", count: 100_000), String(repeating: "-", count: 100_000) + "1",
            "a" + String(repeating: "+a", count: 50_000), "a[" + String(repeating: "(", count: 100_000),
            String(repeating: "abs(", count: 10_000), "a" + String(repeating: "[5m:]", count: 10_000),
            String(repeating: "x", count: (1 << 20) + 1),
        ] {
            #expect(throws: ParseError.self) { try Parser.parse(text, options: .all) }
        }
    }
}
