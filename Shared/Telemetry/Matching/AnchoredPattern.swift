/// A regular expression that matches whole texts, in time linear in the text: states advance side by
/// side (Thompson's construction), so no pattern of an operator can stall the aggregator.
///
/// Bounds: 4096 characters, ``PatternProgram/statesMax`` states; beyond them the pattern is refused.
package struct AnchoredPattern: Sendable {
    static let literalsMax = 256

    /// The only texts that match, when they are few; each once.
    package let literals: [String]?
    private let literalSet: Set<String>
    private let program: PatternProgram

    package init(_ pattern: String) throws(PatternError) {
        var parser = PatternParser(pattern)
        let node = try parser.parse()
        let written = node.literals(limit: Self.literalsMax)
        var seen = Set<String>()
        literals = written?.filter { seen.insert($0).inserted }
        literalSet = seen
        program = try PatternProgram(literals == nil ? node : .empty, of: pattern, capturing: false)
    }

    /// - Complexity: O(scalars of `text` × states).
    package func matches(_ text: String) -> Bool {
        guard literals == nil else { return literalSet.contains(text) }
        var current = StateSet(count: program.states.count)
        var next = StateSet(count: program.states.count)
        var previous: Unicode.Scalar?
        var iterator = text.unicodeScalars.makeIterator()
        var upcoming = iterator.next()
        follow(program.entry, into: &current, previous, upcoming)
        while let scalar = upcoming {
            upcoming = iterator.next()
            next.removeAll()
            for index in current.members {
                if case .scalars(let set, let target) = program.states[index], set.contains(scalar) {
                    follow(target, into: &next, scalar, upcoming)
                }
            }
            if next.members.isEmpty { return false }
            previous = scalar
            swap(&current, &next)
        }
        _ = previous
        return current.members.contains { if case .accept = program.states[$0] { true } else { false } }
    }

    private func follow(
        _ start: Int, into set: inout StateSet, _ previous: Unicode.Scalar?, _ upcoming: Unicode.Scalar?
    ) {
        var stack = [start]
        while let index = stack.popLast() {
            guard set.insert(index) else { continue }
            switch program.states[index] {
            case .split(let first, let second):
                stack.append(second)
                stack.append(first)
            case .assertion(let assertion, let next):
                if assertion.holds(between: previous, and: upcoming) { stack.append(next) }
            case .save(_, let next): stack.append(next)
            case .scalars, .accept: break
            }
        }
    }

    /// Members in the order of insertion.
    private struct StateSet {
        private(set) var members: [Int] = []
        private var isMember: [Bool]
        init(count: Int) { isMember = Array(repeating: false, count: count) }
        mutating func insert(_ index: Int) -> Bool {
            guard !isMember[index] else { return false }
            isMember[index] = true
            members.append(index)
            return true
        }
        mutating func removeAll() {
            for index in members { isMember[index] = false }
            members.removeAll(keepingCapacity: true)
        }
    }
}
