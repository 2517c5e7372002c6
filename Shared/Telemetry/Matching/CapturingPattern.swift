/// A regular expression that matches whole texts and tells what its groups matched, as PromQL's `label_replace` needs.
///
/// Of several ways to match, the one that a backtracking matcher finds first counts (RE2's leftmost-first rule); states
/// still advance side by side, so the time stays linear in the text.
package struct CapturingPattern: Sendable {
    private let program: PatternProgram
    private let groupNames: [String?]

    package init(_ pattern: String) throws(PatternError) {
        var parser = PatternParser(pattern)
        let node = try parser.parse()
        groupNames = parser.groupNames
        program = try PatternProgram(node, of: pattern, capturing: true)
    }

    /// What the groups of one match captured; a group that took no part is nil, group 0 is the whole text.
    package struct Match: Sendable {
        fileprivate let groups: [String?]
        fileprivate let names: [String?]

        /// `template` with `$1`, `$name`, `${1}` and `${name}` replaced by captures and `$$` by a dollar sign, by the
        /// rules of Go's `regexp.Expand`: the longest run of letters, digits and underscores is the name; unknown
        /// groups are empty; a malformed reference stays as it is.
        package func expand(_ template: String) -> String {
            var result = String.UnicodeScalarView()
            let scalars = Array(template.unicodeScalars)
            var position = 0
            while position < scalars.count {
                guard scalars[position] == "$", position + 1 < scalars.count else {
                    result.append(scalars[position])
                    position += 1
                    continue
                }
                if scalars[position + 1] == "$" {
                    result.append("$")
                    position += 2
                    continue
                }
                let isBraced = scalars[position + 1] == "{"
                var end = position + (isBraced ? 2 : 1)
                let start = end
                while end < scalars.count, scalars[end] == "_" || scalars[end].properties.isAlphanumeric { end += 1 }
                guard end > start, !isBraced || (end < scalars.count && scalars[end] == "}") else {
                    result.append("$")
                    position += 1
                    continue
                }
                let name = String(String.UnicodeScalarView(scalars[start..<end]))
                result.append(contentsOf: (captured(name) ?? "").unicodeScalars)
                position = isBraced ? end + 1 : end
            }
            return String(result)
        }

        private func captured(_ name: String) -> String? {
            if name.utf8.allSatisfy({ (48...57).contains($0) }) {
                guard let number = Int(name), number < groups.count else { return nil }
                return groups[number]
            }
            return names.firstIndex(of: name).flatMap { groups[$0 + 1] }
        }
    }

    /// - Complexity: O(scalars of `text` × states).
    package func match(_ text: String) -> Match? {
        let scalars = Array(text.unicodeScalars)
        var current = Threads(states: program.states.count)
        var next = Threads(states: program.states.count)
        let slots = [Int](repeating: -1, count: 2 * (groupNames.count + 1))
        follow(program.entry, slots, at: 0, in: scalars, into: &current)
        for position in scalars.indices {
            next.removeAll()
            for thread in current.list {
                if case .scalars(let set, let target) = program.states[thread.state], set.contains(scalars[position]) {
                    follow(target, thread.slots, at: position + 1, in: scalars, into: &next)
                }
            }
            if next.list.isEmpty { return nil }
            swap(&current, &next)
        }
        for thread in current.list {
            guard case .accept = program.states[thread.state] else { continue }
            var groups: [String?] = [text]
            for number in groupNames.indices.map({ $0 + 1 }) {
                let (start, end) = (thread.slots[2 * number], thread.slots[2 * number + 1])
                let isComplete = start >= 0 && end >= start
                groups.append(isComplete ? String(String.UnicodeScalarView(scalars[start..<end])) : nil)
            }
            return Match(groups: groups, names: groupNames)
        }
        return nil
    }

    private struct Threads {
        private(set) var list: [(state: Int, slots: [Int])] = []
        private var isMember: [Bool]
        init(states: Int) { isMember = Array(repeating: false, count: states) }
        mutating func enter(_ state: Int) -> Bool {
            if isMember[state] { return false }
            isMember[state] = true
            return true
        }
        mutating func append(_ state: Int, _ slots: [Int]) { list.append((state, slots)) }
        mutating func removeAll() {
            for index in isMember.indices { isMember[index] = false }
            list.removeAll(keepingCapacity: true)
        }
    }

    /// Adds the threads that wait for a scalar (or accept) after `state`, in the order of preference.
    private func follow(
        _ state: Int, _ slots: [Int], at position: Int, in scalars: [Unicode.Scalar], into threads: inout Threads
    ) {
        var stack = [(state, slots)]
        while let (state, slots) = stack.popLast() {
            guard threads.enter(state) else { continue }
            switch program.states[state] {
            case .scalars, .accept: threads.append(state, slots)
            case .split(let first, let second):
                stack.append((second, slots))
                stack.append((first, slots))
            case .save(let slot, let next):
                var saved = slots
                saved[slot] = position
                stack.append((next, saved))
            case .assertion(let assertion, let next):
                let previous = position > 0 ? scalars[position - 1] : nil
                let upcoming = position < scalars.count ? scalars[position] : nil
                if assertion.holds(between: previous, and: upcoming) { stack.append((next, slots)) }
            }
        }
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isAlphanumeric: Bool {
        switch generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber: true
        default: false
        }
    }
}
