import Intake
import RuntimeSupport
import Telemetry
import Testing

@Suite("Listening events in JSON")
struct EventParserTests {
    private static let a = #"{"id":"a","at":1767225600000,"track":"t"}"#
    private static let b = #"{"id":"b","at":"2026-01-01T00:00:00Z","track":"t"}"#

    @Test(
        "one object, an array, a wrapper and NDJSON all hold events",
        arguments: [
            "\(a)\(b)", "\(a)\n\(b)", "\(a)\n\n \(b)\n", "[\(a),\(b)]", " [ \(a) , \(b) ] ",
            #"{"events":[\#(a),\#(b)]}"#,
            #"{"sent":1,"events":[\#(a),\#(b)],"more":{}}"#, "\u{feff}\(a)\r\n\(b)\r\n",
        ])
    func framings(body: String) {
        let result = EventSamples.parse(body)
        #expect(result.events.map(\.id) == ["a", "b"])
        #expect(result.rejections.isEmpty && !result.isCutShort)
    }

    @Test("every field of the schema is read under its name")
    func everyField() throws {
        let texts = EventText.allCases.map { text in
            let value =
                switch text {
                case .isrc: "isrc no-abc-26-00001"
                case .territory: "no"
                case .currency: "nok"
                default: "value of \(text.name)"
                }
            return #""\#(text.name)":"\#(value)""#
        }
        let numbers = EventNumber.allCases.map { #""\#($0.name)":1"# }
        let body =
            #"{"id":"é","kind":"ad_revenue","revision":7,"at":1767225600000,"user":"olav",\#((texts + numbers).joined(separator: ","))}"#
        let event = try #require(EventSamples.parse(body).events.first)
        #expect(event.id == "é" && event.kind == .adRevenue && event.revision == 7)
        #expect(event.user == UserPseudonym(high: 4, low: UInt64(UInt8(ascii: "o"))) && event.pseudonymVersion == 3)
        #expect(event.receivedAt == EventSamples.now)
        for text in EventText.allCases {
            switch text {
            case .isrc: #expect(event[.isrc] == "NOABC2600001")
            case .territory: #expect(event[.territory] == "NO")
            case .currency: #expect(event[.currency] == "NOK")
            default: #expect(event[text] == "value of \(text.name)")
            }
        }
        #expect(event.numbers.allSatisfy { $0 == 1 })
    }

    @Test(
        "a bad event is told its field and what to do",
        arguments: [
            (#"{"at":1767225600000,"track":"t"}"#, "id", "missing"),
            (#"{"id":"","at":1767225600000,"track":"t"}"#, "id", "empty"),
            (#"{"id":5,"at":1767225600000,"track":"t"}"#, "id", "found a number"),
            (#"{"id":"\#(String(repeating: "x", count: 65))","at":1767225600000,"track":"t"}"#, "id", "64 bytes"),
            (#"{"id":"a","track":"t"}"#, "at", "missing"),
            (#"{"id":"a","at":"yesterday","track":"t"}"#, "at", "RFC 3339"),
            (#"{"id":"a","at":1767225600,"track":"t"}"#, "at", "seconds"),
            (#"{"id":"a","at":1767225900001,"track":"t"}"#, "at", "future"),
            (#"{"id":"a","at":1764633599999,"track":"t"}"#, "at", "30 days"),
            (#"{"id":"a","at":1767225600000.5,"track":"t"}"#, "at", "whole number"),
            (#"{"id":"a","at":[1],"track":"t"}"#, "at", "found an array"),
            (#"{"id":"a","at":1767225600000}"#, "track", "names its track"),
            (#"{"id":"a","at":1767225600000,"kind":"dance"}"#, "kind", "playlist_add"),
            (#"{"id":"a","at":1767225600000,"track":{"x":1}}"#, "track", "found an object"),
            (#"{"id":"a","at":1767225600000,"track":"\ud800"}"#, "track", "surrogate"),
            (#"{"id":"a","at":1767225600000,"track":"\q"}"#, "track", "escape"),
            (#"{"id":"a","at":1767225600000,"isrc":"NOABC260000"}"#, "isrc", "ISRC"),
            (#"{"id":"a","at":1767225600000,"track":"t","territory":"UK"}"#, "territory", "GB"),
            (#"{"id":"a","at":1767225600000,"track":"t","currency":"XXX"}"#, "currency", "4217"),
            (#"{"id":"a","at":1767225600000,"track":"t","amount_micros":1}"#, "currency", "needs its currency"),
            (#"{"id":"a","at":1767225600000,"track":"t","ms_played":-1}"#, "ms_played", "0 to"),
            (#"{"id":"a","at":1767225600000,"track":"t","ms_played":true}"#, "ms_played", "found true or false"),
            (#"{"id":"a","at":1767225600000,"track":"t","muted":2}"#, "muted", "0 to 1"),
            (#"{"id":"a","at":1767225600000,"track":"t","revision":4294967296}"#, "revision", "4294967295"),
            (#"{"id":"a","at":1767225600000,"track":"t","genres":["a",5]}"#, "genres", "found a number"),
            (#"{"id":"a","at":1767225600000,"track":"t","genres":["a;b"]}"#, "genres", "semicolon"),
        ])
    func badEvents(body: String, field: String, reason: String) throws {
        let result = EventSamples.parse("[\(body),\(Self.b)]")
        #expect(result.events.map(\.id) == ["b"])
        #expect(result.rejections.count == 1)
        let rejection = try #require(result.rejections.listed.first)
        #expect(rejection.index == 0 && rejection.field == field)
        #expect(rejection.reason.contains(reason), "\(rejection.reason)")
    }

    @Test("values are normalised: times with offsets, whole numbers as floats, flags, genres, null, the last of a key")
    func normalisation() throws {
        let body = #"""
            {"id":"x","id":"a","at":"2026-01-01T01:00:00.25\u002B01:00","title":"a\/\u00e5\ud83c\udfb5","ms_played":3.1e4,
             "shuffle":true,"offline":false,"muted":1,"genres":["jazz","","fusion"],"user":null,"artist":"","release":null,
             "track_ms":-5,"track_ms":200000}
            """#
        let event = try #require(EventSamples.parse(body).events.first)
        #expect(event.id == "a" && event.at.milliseconds == 1_767_225_600_250)
        #expect(event[.title] == "a/å🎵" && event[.millisecondsPlayed] == 31_000)
        #expect(event[.shuffle] == 1 && event[.offline] == 0 && event[.muted] == 1)
        #expect(event[.genres] == "jazz;fusion" && event[.trackMilliseconds] == 200_000)
        #expect(event.user == nil && event.pseudonymVersion == 0 && event[.artist] == nil && event[.release] == nil)
    }

    @Test("unknown fields and vocabulary are counted, and refused when strict")
    func strictness() {
        let body = #"{"id":"a","at":1767225600000,"track":"t","colour":"red","tier":"gold","events":5}"#
        let lenient = EventSamples.parse(body)
        #expect(lenient.events.count == 1 && lenient.unknownFieldCount == 2 && lenient.unknownValueCount == 1)
        let strict = EventSamples.parse(body, isStrict: true)
        #expect(strict.events.isEmpty && strict.rejections.listed.first?.field == "colour")
    }

    @Test("a broken NDJSON line costs itself only")
    func brokenLine() {
        for broken in [#"{"id":"x""#, #"{"id":"x","at":"#, #"{"id":"#, "nonsense", #"{"id":"x"}}"#, #"{"id":"x","y"#] {
            let result = EventSamples.parse("\(Self.a)\n\(broken)\n\(Self.b)\n")
            #expect(result.events.map(\.id) == ["a", "b"], "\(broken)")
            #expect(result.rejections.count >= 1, "\(broken)")
            #expect(result.rejections.listed.contains { $0.reason.contains("not JSON") })
        }
    }

    @Test("an array that breaks off keeps what came before and says where it broke")
    func brokenArray() {
        for wrapper in ["[", #"{"events":["#] {
            let result = EventSamples.parse("\(wrapper)\(Self.a),\n\(Self.b),\n{\"id\":]\n,\(Self.b)]")
            #expect(result.events.map(\.id) == ["a", "b"] && result.isCutShort)
            #expect(result.rejections.listed.last?.index == 2)
            #expect(result.rejections.listed.last?.reason.contains("line 3") == true)
        }
    }

    @Test("beyond the records of one request nothing is read, and the answer says so")
    func tooMany() {
        let result = EventSamples.parse("[" + Array(repeating: Self.a, count: 4097).joined(separator: ",") + "]")
        #expect(result.events.count == 4096 && result.rejections.count == 1 && result.isCutShort)
        #expect(result.rejections.listed.first?.index == 4096)
    }

    @Test("R15: good events in bad batches are kept, in order, whatever stands between them", arguments: 0..<200)
    func goodOnesKept(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let bad = [
            #"{"id":"z"}"#, "5", "null", #""text""#, "[[[]]]", #"{"id":"z","at":{"a":[1,{"b":"]}"}]},"track":"t"}"#,
            #"{"id":"z","at":1,"track":"t"}"#, #"{"at":1767225600000,"isrc":"\"{[","x":"}"}"#,
        ]
        var bodies: [String] = []
        var expected: [String] = []
        for index in 0..<Int.random(in: 1...40, using: &random) {
            if Bool.random(using: &random) {
                bodies.append(#"{"track":"t","at":1767225600000,"id":"\#(index)"}"#)
                expected.append("\(index)")
            } else {
                bodies.append(bad[Int.random(in: 0..<bad.count, using: &random)])
            }
        }
        let result = EventSamples.parse("[\(bodies.joined(separator: ","))]")
        #expect(result.events.map(\.id) == expected, "seed \(seed)")
        #expect(result.rejections.count == bodies.count - expected.count, "seed \(seed)")
    }

    @Test("any bytes give events or reasons, never a trap", arguments: 0..<400)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let alphabet = Array(#"{}[]",:\u00ddtruefalsnl-+.eE0123456789 "#.utf8) + [0x0a, 0x00, 0x80, 0xff, 0xc3]
        var bytes: [UInt8]
        if seed % 2 == 0 {  // a valid body, damaged
            bytes = Array("[\(Self.a),\(Self.b)]\n\(Self.a)\n\(Self.b)".utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = alphabet.randomElement(using: &random) ?? 0
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
        } else {
            bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0
            }
        }
        let result = EventSamples.parse(bytes)
        #expect(result.events.count + result.rejections.count <= IntakeLimits.recordsMax + 1)
        #expect(!result.isCutShort || !result.rejections.isEmpty, "seed \(seed)")
        #expect(result.events.allSatisfy { !$0.id.isEmpty && $0[.track] != nil }, "seed \(seed)")
    }
}
