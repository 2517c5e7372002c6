package import Telemetry
import WireFormat

/// Where messages come in: duplicates are answered, the rest waits for the openers in a ``FairQueue``.
package final class MessageGate: Sendable {
    package struct Message: Sendable {
        package let tenant: TenantID
        package let agent: AgentID
        package let topic: String
        package let payload: [UInt8]
    }
    package enum Admission: Sendable {
        case queued
        /// Durable already: the next acknowledgement says so again.
        case answered
        /// Not an agent's topic.
        case foreign
        /// Dropped; its agent sends it again.
        case full
    }

    package let settled = SettledBatches()
    private let queue: FairQueue<Message>

    package init(itemsPerTenantMax: Int, bytesPerTenantMax: Int) {
        queue = FairQueue(itemsPerTenantMax: itemsPerTenantMax, bytesPerTenantMax: bytesPerTenantMax)
    }

    /// From the transport's thread; never waits.
    package func receive(topic: String, payload: [UInt8]) -> Admission {
        guard let (tenant, agent, kind) = Topics.parseUp(topic) else { return .foreign }
        let message = Message(tenant: tenant, agent: agent, topic: topic, payload: payload)
        if case .batch = kind, answers(message) { return .answered }
        return queue.push(message, of: tenant, from: agent, bytes: payload.count) ? .queued : .full
    }

    /// Asked again before opening: what waited may have been committed meanwhile.
    package func answers(_ message: Message) -> Bool {
        guard let key = BatchHeader.key(inPrefixOf: message.payload) else { return false }
        return settled.answers(key, of: message.agent, in: message.tenant)
    }

    package func pop(max: Int, waitMilliseconds: Int64) -> [Message] {
        queue.pop(max: max, waitMilliseconds: waitMilliseconds)
    }
    package func setHeld(_ isHeld: Bool, _ tenant: TenantID) { queue.setHeld(isHeld, tenant) }
    package func close() { queue.close() }
    package var isFinished: Bool { queue.isFinished }
    package func depth(of tenant: TenantID) -> (items: Int, bytes: Int, refused: UInt64) { queue.depth(of: tenant) }
}
