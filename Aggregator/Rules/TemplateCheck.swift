/// Whether a template in an alert's label or annotation can be parsed as Prometheus' (Go's text/template): actions
/// closed, strings closed, parentheses and blocks balanced, functions known. It is not evaluated here.
enum TemplateCheck {
    /// Longer texts are refused.
    static let bytesMax = 64 * 1024

    private static let blocks: Set<String> = ["if", "range", "with", "define", "block"]
    private static let functions: Set<String> = [
        // Go's.
        "and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println", "urlquery",
        "eq", "ge", "gt", "le", "lt", "ne",
        // Prometheus's.
        "query", "first", "label", "value", "sortByLabel", "strvalue", "args", "reReplaceAll", "safeHtml", "match",
        "title", "toUpper", "toLower", "graphLink", "tableLink", "humanize", "humanize1024", "humanizeDuration",
        "humanizePercentage", "humanizeTimestamp", "pathPrefix", "externalURL", "parseDuration", "stripPort",
        "stripDomain", "toTime", "tmpl",
    ]
    private static let words: Set<String> = [
        "true", "false", "nil", "else", "end", "template", "break", "continue",
    ]

    /// - Returns: nil when there is nothing wrong.
    static func problem(_ text: String) -> String? {
        guard text.utf8.count <= bytesMax else { return "longer than \(bytesMax) bytes" }
        var rest = text[...]
        var open: [String] = []
        var variables: Set<String> = ["$", "$labels", "$value", "$externalLabels", "$externalURL"]
        while let start = rest.firstRange(of: "{{") {
            rest = rest[start.upperBound...]
            if rest.hasPrefix("/*") || rest.hasPrefix("- /*") {
                guard let end = rest.firstRange(of: "*/") else { return "unclosed comment" }
                rest = rest[end.upperBound...].drop { $0 == " " || $0 == "-" }
                guard rest.hasPrefix("}}") else { return "comment ends before closing delimiter" }
                rest = rest.dropFirst(2)
                continue
            }
            var action = TemplateAction()
            if let problem = action.read(&rest) { return problem }
            if let problem = check(action.tokens, &open, &variables) { return problem }
        }
        return open.isEmpty ? nil : "unexpected EOF: {{\(open[open.count - 1])}} has no {{end}}"
    }

    private static func check(
        _ tokens: [TemplateAction.Token], _ open: inout [String], _ variables: inout Set<String>
    ) -> String? {
        guard let first = tokens.first else { return "missing value for command" }
        if case .word(let word) = first {
            if blocks.contains(word) {
                open.append(word)
                if tokens.count == 1 { return "missing value for \(word)" }
            } else if word == "end" {
                guard open.popLast() != nil else { return "unexpected {{end}}" }
                if tokens.count > 1 { return "unexpected text in end" }
            } else if word == "else" {
                guard let block = open.last, block != "define", block != "block" else { return "unexpected {{else}}" }
            }
        }
        for (index, token) in tokens.enumerated() {
            switch token {
            case .word(let word):
                if !functions.contains(word), !words.contains(word), !blocks.contains(word) {
                    return "function \"\(word)\" not defined"
                }
            case .variable(let name):
                if index + 1 < tokens.count, tokens[index + 1] == .declaration || tokens[index + 1] == .comma {
                    variables.insert(name)
                } else if index > 0, tokens[index - 1] == .comma {
                    variables.insert(name)
                } else if !variables.contains(name) {
                    return "undefined variable \"\(name)\""
                }
            case .pipe:
                if index == 0 || index + 1 == tokens.count || tokens[index + 1] == .pipe {
                    return "missing value for command"
                }
            default: break
            }
        }
        return nil
    }
}

/// One `{{ … }}` of a template, in tokens.
struct TemplateAction {
    enum Token: Equatable {
        case word(String)
        /// `$name`, without the fields behind.
        case variable(String)
        case field, literal, pipe, declaration, comma, open, close
    }
    private(set) var tokens: [Token] = []

    /// Reads up to and with the closing braces.
    /// - Returns: what is wrong.
    mutating func read(_ rest: inout Substring) -> String? {
        var depth = 0
        if rest.hasPrefix("- ") { rest = rest.dropFirst(2) }
        while let character = rest.first {
            if rest.hasPrefix("}}") || rest.hasPrefix("-}}") {
                guard depth == 0 else { return "unclosed left paren" }
                rest = rest.dropFirst(rest.hasPrefix("}}") ? 2 : 3)
                return nil
            }
            switch character {
            case " ", "\t", "\n", "\r": rest = rest.dropFirst()
            case "\"", "'", "`":
                guard Self.skipString(&rest, character) else { return "unterminated quoted string" }
                tokens.append(.literal)
            case "(":
                depth += 1
                tokens.append(.open)
                rest = rest.dropFirst()
            case ")":
                depth -= 1
                guard depth >= 0 else { return "unexpected right paren" }
                tokens.append(.close)
                rest = rest.dropFirst()
            case "|":
                tokens.append(.pipe)
                rest = rest.dropFirst()
            case ",":
                tokens.append(.comma)
                rest = rest.dropFirst()
            case ":", "=":
                let isLong = rest.hasPrefix(":=")
                guard isLong || character == "=" else { return "expected :=" }
                tokens.append(.declaration)
                rest = rest.dropFirst(isLong ? 2 : 1)
            case "$":
                rest = rest.dropFirst()
                let name = rest.prefix(while: Self.isAlphanumeric)
                rest = rest.dropFirst(name.count)
                tokens.append(.variable("$\(name)"))
            case ".":
                rest = rest.dropFirst()
                rest = rest.drop(while: Self.isAlphanumeric)
                tokens.append(.field)
            case _ where character.isNumber || character == "-" || character == "+":
                rest = rest.dropFirst().drop { Self.isAlphanumeric($0) || $0 == "." }
                tokens.append(.literal)
            case _ where Self.isAlphanumeric(character):
                let word = rest.prefix(while: Self.isAlphanumeric)
                rest = rest.dropFirst(word.count)
                tokens.append(.word(String(word)))
            default: return "unexpected \"\(character)\" in command"
            }
        }
        return "unclosed action"
    }

    private static func isAlphanumeric(_ character: Character) -> Bool {
        character == "_" || character.isLetter || character.isNumber
    }

    private static func skipString(_ rest: inout Substring, _ quote: Character) -> Bool {
        rest = rest.dropFirst()
        while let character = rest.popFirst() {
            if character == quote { return true }
            if character == "\\", quote != "`" { _ = rest.popFirst() }
            if character == "\n", quote != "`" { return false }
        }
        return false
    }
}
