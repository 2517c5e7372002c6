import RuntimeSupport
import Testing

@Suite("settings: the text")
struct SettingsDocumentTests {
    private func values(_ text: String) throws -> [String: String] {
        try SettingsDocument(text, source: "test").entries.mapValues(\.value)
    }

    @Test("keys, one level of nesting, quotes and comments")
    func grammar() throws {
        let text = """
            ---
            # a comment
            flush-interval: 5 s   # another
            broker:
              host: mqtt.example
              port: 8883

              ca: "/etc/a \\"b\\" #c.pem" # third
            log-level: 'it''s'
            collectors:   # section
                cpu: off
            """
        #expect(
            try values(text) == [
                "flush-interval": "5 s", "broker.host": "mqtt.example", "broker.port": "8883",
                "broker.ca": "/etc/a \"b\" #c.pem", "log-level": "it's", "collectors.cpu": "off",
            ])
        #expect(try values("") == [:])
        #expect(try values("a: b#c") == ["a": "b#c"])
        #expect(try values("a: \"\"") == ["a": ""])
        #expect(try values("a: x\r\nb: y") == ["a": "x", "b": "y"])
        #expect(try values("broker:\nlog-level: info") == ["log-level": "info"])
    }

    @Test(
        "a bad line is named with its number",
        arguments: [
            ("a: 1\nb", 2), ("a: 1\na: 2", 2), ("  a: 1", 1), ("a:\n  b: 1\n   c: 2", 3), ("a:\n  b:\n    c: 1", 2),
            ("\ta: 1", 1), ("a: [1, 2]", 1), ("a: {b: 1}", 1), ("a: &x 1", 1), ("a: |", 1), ("a: \"x", 1),
            ("a: \"x\" y", 1), ("a: \"\\q\"", 1), ("A: 1", 1), ("a b: 1", 1), (": 1", 1), ("a:1", 1), ("- a", 1),
            ("x: 1\n\n# c\nb: 'q", 4), ("a:\n\tb: 1", 2),
        ])
    func faults(text: String, line: Int) {
        #expect(throws: SettingsError.self) { try values(text) }
        do {
            _ = try SettingsDocument(text, source: "/etc/x.yaml")
        } catch {
            #expect(error.line == line)
            #expect(error.description.hasPrefix("/etc/x.yaml:\(line): "), "\(error)")
        }
    }

    @Test("random bytes never trap, and sizes are bounded")
    func random() {
        var generator = SeededGenerator(seed: 4)
        let alphabet = Array("a:b -#\"'\\\n\t[]x1.".utf8)
        for _ in 0..<5000 {
            let length = Int.random(in: 0..<60, using: &generator)
            let bytes = (0..<length).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            _ = try? SettingsDocument(String(decoding: bytes, as: UTF8.self), source: "fuzz")
        }
        #expect(throws: SettingsError.self) { try values(String(repeating: "#", count: 70_000)) }
        #expect(throws: SettingsError.self) { try values(String(repeating: "\n", count: 3000)) }
        #expect(throws: SettingsError.self) { try values("a: " + String(repeating: "x", count: 5000)) }
    }
}
