import NIOCore
import Synchronization

/// The connections that a server has open, and what runs for them. Thread-safe.
final class OpenConnections: Sendable {
    /// Open at once; further ones are closed as they come.
    static let countMax = 16_384

    private struct State: Sendable {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var tasks: [ObjectIdentifier: Task<Void, Never>] = [:]
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isQuiescing = false
        var isBrokenOff = false
        var isIdle: Bool { channels.isEmpty && tasks.isEmpty }
    }
    private let state = Mutex(State())

    /// - Returns: false when there are too many, or the server ends.
    func add(_ channel: any Channel) -> Bool {
        let isAdmitted = state.withLock { state in
            guard state.channels.count < Self.countMax, !state.isQuiescing else { return false }
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
        guard isAdmitted else { return false }
        channel.closeFuture.whenComplete { _ in self.remove { $0.channels[ObjectIdentifier(channel)] = nil } }
        return true
    }

    /// Runs what serves a connection, as a task of its own.
    func run(for channel: any Channel, _ body: @escaping @Sendable () async -> Void) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            let task = Task {
                await body()
                self.remove { $0.tasks[id] = nil }
            }
            state.tasks[id] = task
            if state.isBrokenOff { task.cancel() }
        }
    }

    private func remove(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            change(&state)
            guard state.isIdle else { return [] }
            defer { state.waiting.removeAll() }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Takes no further connections; those that are open end when they have answered.
    func quiesce() {
        let channels = state.withLock { state in
            state.isQuiescing = true
            return Array(state.channels.values)
        }
        for channel in channels {
            channel.eventLoop.execute {
                channel.pipeline.syncOperations.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            }
        }
    }

    /// Breaks off what is open.
    func breakOff() {
        let (channels, tasks) = state.withLock { state in
            state.isQuiescing = true
            state.isBrokenOff = true
            return (Array(state.channels.values), Array(state.tasks.values))
        }
        for task in tasks { task.cancel() }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Returns when nothing is open and nothing runs.
    func allEnded() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if !state.isIdle { state.waiting.append(continuation) }
                return state.isIdle
            }
            if isIdle { continuation.resume() }
        }
    }
}
