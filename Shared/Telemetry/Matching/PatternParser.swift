/// Parses RE2's syntax as PromQL uses it: alternation, groups, classes, quantifiers, `\d \w \s \b`, `(?i)`, `(?s)`.
struct PatternParser {
    static let patternScalarsMax = 4096
    static let repeatMax = 1000
    static let nestingMax = 100

    private let pattern: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false
    private var isUngreedy = false
    /// The names of the capturing groups, in the order of their opening parentheses; nil: without a name.
    private(set) var groupNames: [String?] = []
    // Prometheus compiles label patterns with (?s): a dot matches newlines too.
    private var dotMatchesNewline = true

    init(_ pattern: String) {
        self.pattern = pattern
        scalars = Array(pattern.unicodeScalars)
    }

    mutating func parse() throws(PatternError) -> PatternNode {
        guard scalars.count <= Self.patternScalarsMax else {
            throw failure("at most \(Self.patternScalarsMax) characters are allowed")
        }
        let node = try alternatives()
        guard position == scalars.count else { throw failure("unexpected \")\"") }
        return node
    }

    private func failure(_ expectation: String) -> PatternError {
        PatternError(pattern: pattern, position: position, expectation: expectation)
    }
    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }
    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard current == scalar else { return false }
        position += 1
        return true
    }

    private mutating func alternatives() throws(PatternError) -> PatternNode {
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .alternatives(branches)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = current, scalar != "|", scalar != ")" { nodes.append(try quantified()) }
        switch nodes.count {
        case 0: return .empty
        case 1: return nodes[0]
        default: return .sequence(nodes)
        }
    }

    private mutating func quantified() throws(PatternError) -> PatternNode {
        var node = try atom()
        var count = 0
        while let scalar = current {
            let start = position
            let bounds: (min: Int, max: Int?)
            switch scalar {
            case "*": bounds = (0, nil)
            case "+": bounds = (1, nil)
            case "?": bounds = (0, 1)
            case "{":
                guard let counted = countedBounds() else { return node }
                bounds = counted
            default: return node
            }
            if position == start { position += 1 }
            guard count == 0 else { throw failure("a quantifier after a quantifier") }
            guard max(bounds.min, bounds.max ?? 0) <= Self.repeatMax, bounds.max.map({ $0 >= bounds.min }) ?? true
            else { throw failure("a repeat count from 0 to \(Self.repeatMax), the lower first") }
            let isLazy = take("?") != isUngreedy
            node = .repeated(node, min: bounds.min, max: bounds.max, isLazy: isLazy)
            count += 1
        }
        return node
    }

    /// `{n}`, `{n,}`, `{n,m}`; anything else is a literal brace, as in RE2.
    private mutating func countedBounds() -> (min: Int, max: Int?)? {
        let start = position
        position += 1
        guard let low = number() else {
            position = start
            return nil
        }
        if take("}") { return (low, low) }
        guard take(",") else {
            position = start
            return nil
        }
        if take("}") { return (low, nil) }
        guard let high = number(), take("}") else {
            position = start
            return nil
        }
        return (low, high)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = current, ("0"..."9").contains(scalar) {
            value = min((value ?? 0) * 10 + Int(scalar.value - 48), Self.repeatMax + 1)
            position += 1
        }
        return value
    }

    private mutating func atom() throws(PatternError) -> PatternNode {
        guard let scalar = current else { return .empty }
        position += 1
        switch scalar {
        case "(": return try group()
        case "[": return .scalars(try bracketed())
        case ".": return .scalars(dotMatchesNewline ? .any : .anyButNewline)
        case "^": return .start
        case "$": return .end
        case "*", "+", "?":
            position -= 1
            throw failure("nothing to repeat before \"\(scalar)\"")
        case "\\":
            if take("b") { return .wordBoundary(negated: false) }
            if take("B") { return .wordBoundary(negated: true) }
            if take("A") { return .start }
            if take("z") { return .end }
            if take("Q") { return quoted() }
            return .scalars(folded(try escaped()))
        default: return .scalars(folded(ScalarSet(scalar)))
        }
    }

    private func folded(_ set: ScalarSet) -> ScalarSet { ignoresCase ? set.caseFolded : set }

    private mutating func quoted() -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = current {
            if scalar == "\\", position + 1 < scalars.count, scalars[position + 1] == "E" {
                position += 2
                break
            }
            nodes.append(.scalars(folded(ScalarSet(scalar))))
            position += 1
        }
        return .sequence(nodes)
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.nestingMax else { throw failure("at most \(Self.nestingMax) nested groups") }
        let saved = (ignoresCase, dotMatchesNewline, isUngreedy)
        var number: Int?
        if take("?") {
            if take("P") || current == "<" {
                guard take("<") else { throw failure("a group name \"<name>\"") }
                var name = ""
                while let scalar = current, scalar != ">" {
                    name.unicodeScalars.append(scalar)
                    position += 1
                }
                guard take(">") else { throw failure("\">\" after the group's name") }
                groupNames.append(name)
                number = groupNames.count
            } else if try flags() {
                return .empty
            }
        } else {
            groupNames.append(nil)
            number = groupNames.count
        }
        let node = try alternatives()
        guard take(")") else { throw failure("a closing \")\"") }
        (ignoresCase, dotMatchesNewline, isUngreedy) = saved
        guard let number else { return node }
        return .group(node, number: number, name: groupNames[number - 1])
    }

    /// - Returns: true for `(?flags)`, which holds to the end of the enclosing group.
    private mutating func flags() throws(PatternError) -> Bool {
        var value = true
        while let scalar = current {
            position += 1
            switch scalar {
            case "i": ignoresCase = value
            case "s": dotMatchesNewline = value
            case "U": isUngreedy = value
            case "m": break
            case "-": value = false
            case ":": return false
            case ")": return true
            default:
                position -= 1
                throw failure("one of the flags i m s U")
            }
        }
        throw failure("\":\" or \")\" after the flags")
    }

    private mutating func bracketed() throws(PatternError) -> ScalarSet {
        let isNegated = take("^")
        var set = ScalarSet()
        var isFirst = true
        while let scalar = current {
            if scalar == "]", !isFirst {
                position += 1
                set = folded(set)
                return isNegated ? set.inverted : set
            }
            isFirst = false
            if scalar == "[", let named = try namedClass() {
                set = set.union(named)
                continue
            }
            let low = try member()
            guard current == "-", position + 1 < scalars.count, scalars[position + 1] != "]", let first = low.single
            else {
                set = set.union(low)
                continue
            }
            position += 1
            guard let last = try member().single, last >= first else { throw failure("a range from low to high") }
            set = set.union(ScalarSet([first.value...last.value]))
        }
        throw failure("a closing \"]\"")
    }

    private mutating func member() throws(PatternError) -> ScalarSet {
        guard let scalar = current else { throw failure("a closing \"]\"") }
        position += 1
        return scalar == "\\" ? try escaped() : ScalarSet(scalar)
    }

    private mutating func namedClass() throws(PatternError) -> ScalarSet? {
        guard position + 1 < scalars.count, scalars[position + 1] == ":" else { return nil }
        let rest = String(String.UnicodeScalarView(scalars[(position + 2)...].prefix(12)))
        let classes: [(String, ScalarSet)] = [
            ("alpha", ScalarSet([65...90, 97...122])), ("digit", .digits), ("word", .word),
            ("alnum", ScalarSet([48...57, 65...90, 97...122])), ("lower", ScalarSet([97...122])),
            ("upper", ScalarSet([65...90])), ("space", ScalarSet([9...13, 32...32])),
            ("punct", ScalarSet([33...47, 58...64, 91...96, 123...126])),
            ("xdigit", ScalarSet([48...57, 65...70, 97...102])),
        ]
        for (name, set) in classes {
            if rest.hasPrefix(name + ":]") {
                position += name.unicodeScalars.count + 4
                return set
            }
            if rest.hasPrefix("^" + name + ":]") {
                position += name.unicodeScalars.count + 5
                return set.inverted
            }
        }
        throw failure("a known class such as [:alpha:]")
    }

    /// After a backslash.
    private mutating func escaped() throws(PatternError) -> ScalarSet {
        guard let scalar = current else { throw failure("a character after \"\\\"") }
        position += 1
        switch scalar {
        case "d": return .digits
        case "D": return ScalarSet.digits.inverted
        case "w": return .word
        case "W": return ScalarSet.word.inverted
        case "s": return .space
        case "S": return ScalarSet.space.inverted
        case "n": return ScalarSet("\n")
        case "r": return ScalarSet("\r")
        case "t": return ScalarSet("\t")
        case "f": return ScalarSet("\u{c}")
        case "v": return ScalarSet("\u{b}")
        case "a": return ScalarSet("\u{7}")
        case "x": return ScalarSet(try hexadecimal())
        default:
            guard scalar.value < 128, !ScalarSet.word.contains(scalar) || scalar == "_" else {
                position -= 1
                throw failure("a known escape, not \"\\\(scalar)\"")
            }
            return ScalarSet(scalar)
        }
    }

    private mutating func hexadecimal() throws(PatternError) -> Unicode.Scalar {
        let isBraced = take("{")
        var digits = ""
        while let scalar = current, digits.count < (isBraced ? 6 : 2), Character(scalar).isHexDigit {
            digits.unicodeScalars.append(scalar)
            position += 1
        }
        guard !isBraced || take("}"), isBraced || digits.count == 2, let value = UInt32(digits, radix: 16),
            let scalar = Unicode.Scalar(value)
        else { throw failure("hexadecimal digits as in \\x2F or \\x{2F}") }
        return scalar
    }
}
