/// A regular expression that matches whole texts, in time linear in the text: states advance side by
/// side (Thompson's construction), so no pattern of an operator can stall the aggregator.
///
/// Bounds: 4096 characters, ``statesMax`` states; beyond them the pattern is refused.
package struct AnchoredPattern: Sendable {
    static let statesMax = 10_000
    static let literalsMax = 256

    private enum State {
        case scalars(ScalarSet, next: Int)
        case split(Int, Int)
        case assertion(Assertion, next: Int)
        case accept
    }
    private enum Assertion { case start, end, wordBoundary, notWordBoundary }

    /// The only texts that match, when they are few.
    package let literals: [String]?
    private let literalSet: Set<String>
    private let states: [State]
    private let entry: Int

    package init(_ pattern: String) throws(PatternError) {
        var parser = PatternParser(pattern)
        let node = try parser.parse()
        literals = node.literals(limit: Self.literalsMax)
        literalSet = Set(literals ?? [])
        var builder = Builder(pattern: pattern)
        let accept = try builder.add(.accept)
        entry = literals == nil ? try builder.compile(node, to: accept) : accept
        states = builder.states
    }

    /// - Complexity: O(scalars of `text` × states).
    package func matches(_ text: String) -> Bool {
        guard literals == nil else { return literalSet.contains(text) }
        var current = StateSet(count: states.count)
        var next = StateSet(count: states.count)
        var previous: Unicode.Scalar?
        var iterator = text.unicodeScalars.makeIterator()
        var upcoming = iterator.next()
        follow(entry, into: &current, previous, upcoming)
        while let scalar = upcoming {
            upcoming = iterator.next()
            next.removeAll()
            for index in current.members {
                if case .scalars(let set, let target) = states[index], set.contains(scalar) {
                    follow(target, into: &next, scalar, upcoming)
                }
            }
            if next.members.isEmpty { return false }
            previous = scalar
            swap(&current, &next)
        }
        _ = previous
        return current.members.contains { if case .accept = states[$0] { true } else { false } }
    }

    private func follow(
        _ start: Int, into set: inout StateSet, _ previous: Unicode.Scalar?, _ upcoming: Unicode.Scalar?
    ) {
        var stack = [start]
        while let index = stack.popLast() {
            guard set.insert(index) else { continue }
            switch states[index] {
            case .split(let first, let second):
                stack.append(second)
                stack.append(first)
            case .assertion(let assertion, let next):
                if holds(assertion, previous, upcoming) { stack.append(next) }
            case .scalars, .accept: break
            }
        }
    }

    private func holds(_ assertion: Assertion, _ previous: Unicode.Scalar?, _ upcoming: Unicode.Scalar?) -> Bool {
        let isBoundary =
            previous.map(ScalarSet.word.contains) ?? false != upcoming.map(ScalarSet.word.contains) ?? false
        switch assertion {
        case .start: return previous == nil
        case .end: return upcoming == nil
        case .wordBoundary: return isBoundary
        case .notWordBoundary: return !isBoundary
        }
    }

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

    private struct Builder {
        let pattern: String
        var states: [State] = []

        mutating func add(_ state: State) throws(PatternError) -> Int {
            guard states.count < AnchoredPattern.statesMax else {
                throw PatternError(
                    pattern: pattern, position: 0, expectation: "fewer repeats (at most \(statesMax) states)")
            }
            states.append(state)
            return states.count - 1
        }

        /// - Returns: the state that begins matching `node` and goes on at `next`.
        mutating func compile(_ node: PatternNode, to next: Int) throws(PatternError) -> Int {
            switch node {
            case .empty: return next
            case .scalars(let set): return try add(.scalars(set, next: next))
            case .start: return try add(.assertion(.start, next: next))
            case .end: return try add(.assertion(.end, next: next))
            case .wordBoundary(let negated):
                return try add(.assertion(negated ? .notWordBoundary : .wordBoundary, next: next))
            case .sequence(let nodes):
                var target = next
                for node in nodes.reversed() { target = try compile(node, to: target) }
                return target
            case .alternatives(let nodes):
                var target = try compile(nodes[nodes.count - 1], to: next)
                for node in nodes.dropLast().reversed() { target = try add(.split(compile(node, to: next), target)) }
                return target
            case .repeated(let node, let min, let max): return try compileRepeat(node, min, max, to: next)
            }
        }

        private mutating func compileRepeat(
            _ node: PatternNode, _ min: Int, _ max: Int?, to next: Int
        ) throws(PatternError) -> Int {
            var target = next
            if let max {
                for _ in min..<max { target = try add(.split(compile(node, to: target), next)) }
            } else {
                let loop = try add(.split(next, next))
                states[loop] = .split(try compile(node, to: loop), next)
                target = loop
            }
            for _ in 0..<min { target = try compile(node, to: target) }
            return target
        }
    }
}
