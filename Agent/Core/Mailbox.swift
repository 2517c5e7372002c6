import RuntimeSupport

/// What waits for the engine: a bounded queue whose last places are for what must not be lost.
///
/// A full one means that the engine waits for the disk. Samples and messages are then refused (their givers count them or
/// say them again); a signal, or the news that the connection has ended, would be missed for good.
struct Mailbox: Sendable {
    private let queue = BoundedQueue<AgentInput>(
        itemsMax: AgentProgram.mailboxItemsMax, bytesMax: AgentProgram.mailboxBytesMax)

    /// - Parameter bytes: about, of what it holds.
    /// - Returns: false when there is no room, or the queue is closed.
    func push(_ input: AgentInput, bytes: Int) -> Bool {
        // Between the look and the push others may come: the reserve is large enough for all threads.
        guard queue.depth.items < AgentProgram.mailboxItemsMax - AgentProgram.mailboxReserve else { return false }
        return queue.push(input, bytes: bytes)
    }

    /// For signals and the connection's events, of which there are few.
    func pushReserved(_ input: AgentInput) -> Bool { queue.push(input) }

    func pop(max: Int, waitMilliseconds: Int64) -> [AgentInput] {
        queue.pop(max: max, waitMilliseconds: waitMilliseconds)
    }

    func close() { queue.close() }
}
