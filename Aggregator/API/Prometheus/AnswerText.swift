import Hummingbird
import PromQL

/// A query's answer on its way to the client: what fits into a piece goes at once, with its length; what does not is
/// made piece by piece on the blocking pool, as fast as the client takes it.
struct AnswerText: Sendable {
    private let first: [UInt8]
    private let second: [UInt8]?
    private let rest: Passenger<ResultText>

    /// Makes the first pieces.
    init(_ text: ResultText) {
        var text = text
        first = text.next() ?? []
        second = text.next()
        rest = Passenger(text)
    }

    /// - Parameter run: runs what makes a piece where it may block.
    func response(
        _ run: @escaping @Sendable (@escaping @Sendable () -> [UInt8]?) async throws -> [UInt8]?
    ) -> Response {
        guard let second else { return .prometheus(first) }
        let made = Passenger([second, first])
        return .streamed("application/json") { [rest] in
            if let piece = made.value.popLast() { return piece }
            return try await run { rest.value.next() }
        }
    }

    /// - Parameter start: has a job done where it may block; false: there is no room for it.
    func direct(_ start: @escaping @Sendable (@escaping @Sendable () -> Void) -> Bool) -> DirectAnswer {
        var answer = DirectAnswer(status: .ok, type: "application/json", body: first)
        guard let second else { return answer }
        let made = Passenger([second])
        answer.next = { [rest] done in
            if let piece = made.value.popLast() { return done(.more(piece)) }
            let isAccepted = start { done(rest.value.next().map { .more($0) } ?? .end) }
            if !isAccepted { done(.failed) }
        }
        return answer
    }
}
