import Synchronization
import Telemetry

/// The numbers that stand for agents in the files of one tenant. A number is given once and never again.
final class AgentNumbers: Sendable {
    private struct State {
        var byName: [AgentID: AgentNumber] = [:]
        var byNumber: [AgentNumber: AgentID] = [:]
        var next: AgentNumber = 1
    }
    private let state = Mutex(State())

    func restore(_ agents: [AgentNumber: AgentID]) {
        state.withLock { state in
            for (number, name) in agents where state.byName[name] == nil && state.byNumber[number] == nil {
                state.byName[name] = number
                state.byNumber[number] = name
                state.next = max(state.next, number &+ 1)
            }
        }
    }

    func number(of agent: AgentID) -> AgentNumber? { state.withLock { $0.byName[agent] } }
    func name(of number: AgentNumber) -> AgentID? { state.withLock { $0.byNumber[number] } }
    var all: [AgentNumber: AgentID] { state.withLock { $0.byNumber } }

    /// Numbers agents that have none.
    /// - Returns: only the new ones, to be saved before anything names them.
    func assign(_ agents: some Sequence<AgentID>) -> [AgentNumber: AgentID] {
        state.withLock { state in
            var fresh: [AgentNumber: AgentID] = [:]
            for agent in agents where state.byName[agent] == nil {
                state.byName[agent] = state.next
                state.byNumber[state.next] = agent
                fresh[state.next] = agent
                state.next += 1
            }
            return fresh
        }
    }
}
