/// The states of a pattern (Thompson's construction); of two ways on, the one that a backtracking matcher would try
/// first comes first.
struct PatternProgram: Sendable {
    static let statesMax = 10_000

    enum State {
        case scalars(ScalarSet, next: Int)
        case split(Int, Int)
        case assertion(Assertion, next: Int)
        /// Notes the position: slot 2n where group n begins, 2n + 1 where it ends.
        case save(slot: Int, next: Int)
        case accept
    }

    enum Assertion {
        case start, end, wordBoundary, notWordBoundary

        func holds(between previous: Unicode.Scalar?, and upcoming: Unicode.Scalar?) -> Bool {
            let isBoundary =
                (previous.map(ScalarSet.word.contains) ?? false) != (upcoming.map(ScalarSet.word.contains) ?? false)
            switch self {
            case .start: return previous == nil
            case .end: return upcoming == nil
            case .wordBoundary: return isBoundary
            case .notWordBoundary: return !isBoundary
            }
        }
    }

    let states: [State]
    let entry: Int

    /// - Parameter capturing: false leaves out the states that note where groups begin and end.
    /// - Throws: when the pattern needs more than ``statesMax`` states.
    init(_ node: PatternNode, of pattern: String, capturing: Bool) throws(PatternError) {
        var builder = Builder(pattern: pattern, isCapturing: capturing)
        let accept = try builder.add(.accept)
        entry = try builder.compile(node, to: accept)
        states = builder.states
    }

    private struct Builder {
        let pattern: String
        let isCapturing: Bool
        var states: [State] = []

        mutating func add(_ state: State) throws(PatternError) -> Int {
            guard states.count < PatternProgram.statesMax else {
                throw PatternError(
                    pattern: pattern, position: 0,
                    expectation: "fewer repeats (at most \(PatternProgram.statesMax) states)")
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
            case .group(let node, let number, _):
                guard isCapturing else { return try compile(node, to: next) }
                let end = try add(.save(slot: 2 * number + 1, next: next))
                return try add(.save(slot: 2 * number, next: compile(node, to: end)))
            case .repeated(let node, let min, let max, let isLazy):
                return try compileRepeat(node, min, max, isLazy, to: next)
            }
        }

        private mutating func compileRepeat(
            _ node: PatternNode, _ min: Int, _ max: Int?, _ isLazy: Bool, to next: Int
        ) throws(PatternError) -> Int {
            func split(_ again: Int, _ onward: Int) -> State { isLazy ? .split(onward, again) : .split(again, onward) }
            var target = next
            if let max {
                for _ in min..<max { target = try add(split(compile(node, to: target), next)) }
            } else {
                let loop = try add(split(next, next))
                states[loop] = split(try compile(node, to: loop), next)
                target = loop
            }
            for _ in 0..<min { target = try compile(node, to: target) }
            return target
        }
    }
}
