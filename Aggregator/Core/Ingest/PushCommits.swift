import API
package import Store
import Synchronization

/// Commits of one tenant's pushes by whoever brings them: who finds nobody at it commits, for all who come meanwhile, too.
///
/// So a single sender's samples change threads no further, and many senders share a transaction. Thread-safe.
package final class PushCommits: Sendable {
    package typealias Done = @Sendable (Result<Void, any Error>) -> Void

    private struct Waiting: Sendable {
        let blocks: [PushedBlock]
        let done: Done
    }
    private struct State: Sendable {
        var waiting: [Waiting] = []
        var bytes = 0
        var isCommitting = false
        var isClosed = false
    }
    private let itemsMax: Int
    private let bytesMax: Int
    private let commit: @Sendable ([PushedBlock]) -> Result<Void, any Error>
    private let state = Mutex(State())
    /// Held while something is committed.
    private let gate = Mutex(())

    /// - Parameter commit: makes blocks durable: all or none. Called by one thread at a time.
    package init(
        itemsMax: Int, bytesMax: Int, commit: @escaping @Sendable ([PushedBlock]) -> Result<Void, any Error>
    ) {
        self.itemsMax = itemsMax
        self.bytesMax = bytesMax
        self.commit = commit
    }

    /// May block until these blocks, and those that others bring meanwhile, are durable.
    /// - Parameter done: called once: when they are, or with what the store threw.
    /// - Throws: ``PushError/busy`` when too much waits; then `done` is not called.
    package func add(_ blocks: [PushedBlock], bytes: Int, _ done: @escaping Done) throws {
        let (isAccepted, leads) = state.withLock { state in
            guard !state.isClosed, state.waiting.count < itemsMax,
                state.waiting.isEmpty || state.bytes + bytes <= bytesMax
            else {
                return (false, false)
            }
            state.waiting.append(Waiting(blocks: blocks, done: done))
            state.bytes += bytes
            defer { state.isCommitting = true }
            return (true, !state.isCommitting)
        }
        guard isAccepted else { throw PushError.busy }
        guard leads else { return }
        while true {
            let taken = state.withLock { state in
                defer { (state.waiting, state.bytes) = ([], 0) }
                state.isCommitting = !state.waiting.isEmpty
                return state.waiting
            }
            guard !taken.isEmpty else { return }
            let result = commitNow(taken.flatMap(\.blocks))
            for waiting in taken { waiting.done(result) }
        }
    }

    /// Commits blocks of somebody who can wait for it.
    package func commitNow(_ blocks: [PushedBlock]) -> Result<Void, any Error> {
        gate.withLock { _ in state.withLock { $0.isClosed } ? .failure(PushError.busy) : commit(blocks) }
    }

    /// Nothing is committed any more when it returns.
    package func close() {
        state.withLock { $0.isClosed = true }
        gate.withLock { _ in }
    }
}
