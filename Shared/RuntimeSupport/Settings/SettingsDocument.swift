/// A settings text, read but not yet understood: full key names with their values and lines.
///
/// The text is a subset of YAML, the same in the programs' files, in manifests and in the guard file:
/// * `key: value` lines, and one level of nesting by indentation, so that `broker:` with `  port: 8883`
///   below it is the key `broker.port`, as is `broker.port: 8883`;
/// * values are one line: plain, or in single or double quotes (`\"`, `\\`, `\n`, `\t` in double ones);
/// * `#` starts a comment at a line's start or after a space; blank lines and a first `---` are skipped;
/// * no lists, anchors, tags, multi-line values or tabs in front; no key twice.
package struct SettingsDocument: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var value: String
        package var line: Int
    }
    package static let bytesMax = 64 * 1024
    package static let linesMax = 2000
    package static let keyBytesMax = 128
    package static let valueBytesMax = 4096

    package let source: String
    package private(set) var entries: [String: Entry] = [:]
    /// As they stand in the text.
    package private(set) var keys: [String] = []

    package init(source: String) { self.source = source }

    /// - Throws: what is wrong with the first line that is.
    /// - Complexity: O(bytes), bounded by ``bytesMax``.
    package init(_ text: String, source: String) throws(SettingsError) {
        self.source = source
        guard text.utf8.count <= Self.bytesMax else {
            throw SettingsError(source: source, line: 0, key: "", problem: "is longer than \(Self.bytesMax) bytes")
        }
        var section: (name: String, indent: Int?)?
        var number = 0
        for raw in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            number += 1
            guard number <= Self.linesMax else { throw fault(number, "", "", "has more than \(Self.linesMax) lines") }
            let indent = raw.prefix { $0 == " " }.count
            let line = raw.dropFirst(indent)
            if line.isEmpty || line.hasPrefix("#") || (number == 1 && line == "---") { continue }
            if line.hasPrefix("\t") { throw fault(number, "", "", "starts with a tab; indent with spaces") }
            let (key, value) = try split(line, number)
            if indent == 0 {
                section = nil
                if let value { try add(key, value, number) } else { section = (key, nil) }
            } else {
                guard let current = section else { throw fault(number, key, "", "is indented below nothing") }
                guard current.indent ?? indent == indent else {
                    throw fault(number, key, "", "is indented by \(indent), the keys above by \(current.indent ?? 0)")
                }
                section?.indent = indent
                guard let value else { throw fault(number, key, "", "has no value; only one level may be nested") }
                try add("\(current.name).\(key)", value, number)
            }
        }
    }

    private mutating func add(_ key: String, _ value: String, _ line: Int) throws(SettingsError) {
        if let first = entries[key] { throw fault(line, key, value, "stands twice, first in line \(first.line)") }
        entries[key] = Entry(value: value, line: line)
        keys.append(key)
    }

    private func fault(_ line: Int, _ key: String, _ value: String, _ problem: String) -> SettingsError {
        SettingsError(source: source, line: line, key: key, value: value, problem: problem)
    }

    /// - Returns: a nil value for `key:`, which opens a section.
    private func split(_ line: Substring, _ number: Int) throws(SettingsError) -> (key: String, value: String?) {
        let key = line.prefix { $0 != ":" }
        let isName = key.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
        guard key.count < line.count else { throw fault(number, "", String(line), "is not of the form \"key: value\"") }
        guard isName, !key.isEmpty, !key.hasPrefix("."), !key.hasSuffix("."), key.utf8.count <= Self.keyBytesMax else {
            throw fault(number, String(key), "", "is not a key; keys are a-z, 0-9, - and dots")
        }
        let rest = line.dropFirst(key.count + 1)
        guard rest.isEmpty || rest.first == " " else {
            throw fault(number, String(key), String(rest), "needs a space after the colon")
        }
        let value = rest.drop { $0 == " " }
        if value.isEmpty || value.hasPrefix("#") { return (String(key), nil) }
        return (String(key), try scalar(value, String(key), number))
    }

    private func scalar(_ text: Substring, _ key: String, _ line: Int) throws(SettingsError) -> String {
        var result = ""
        guard let quote = text.first, quote == "\"" || quote == "'" else {
            result = String(text)
            if let comment = firstComment(in: text) { result = String(text[..<comment]) }
            while result.last == " " || result.last == "\t" { result.removeLast() }
            guard let first = result.first, !"[]{}&*!|>%@`".contains(first) else {
                throw fault(line, key, result, "is not a plain value; put it in quotes")
            }
            return try bounded(result, key, line)
        }
        var rest = text.dropFirst()
        while let character = rest.popFirst() {
            if character == quote {
                if quote == "'", rest.first == "'" {
                    result.append(rest.removeFirst())
                    continue
                }
                let after = rest.drop { $0 == " " }
                guard after.isEmpty || (after.hasPrefix("#") && after.count < rest.count) else {
                    throw fault(line, key, String(after), "follows the closing quote")
                }
                return try bounded(result, key, line)
            }
            guard character == "\\", quote == "\"" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\"": result.append("\"")
            case "\\": result.append("\\")
            case "n": result.append("\n")
            case "t": result.append("\t")
            default: throw fault(line, key, String(text), "has an escape other than \\\" \\\\ \\n \\t")
            }
        }
        throw fault(line, key, String(text), "has no closing quote")
    }

    private func bounded(_ value: String, _ key: String, _ line: Int) throws(SettingsError) -> String {
        guard value.utf8.count <= Self.valueBytesMax else {
            throw fault(line, key, value, "is longer than \(Self.valueBytesMax) bytes")
        }
        return value
    }

    private func firstComment(in text: Substring) -> Substring.Index? {
        var previous: Character = " "
        for index in text.indices {
            if text[index] == "#", previous == " " || previous == "\t" { return index }
            previous = text[index]
        }
        return nil
    }
}

extension SettingsDocument {
    /// What is wrong with a key's value, with its place.
    package func error(_ key: String, _ problem: String) -> SettingsError {
        let entry = entries[key]
        return SettingsError(
            source: source, line: entry?.line ?? 0, key: key, value: entry?.value ?? "", problem: problem)
    }
}
