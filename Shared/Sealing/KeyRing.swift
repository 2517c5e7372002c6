import Synchronization
public import Telemetry
public import WireFormat

/// The aggregator's private halves, and the data keys opened with them, all of it in memory and bounded.
///
/// A private half and every data key that came out of it go together at its destroy-after. Thread-safe;
/// no call blocks longer than one hash look-up, opening a box is done outside the lock.
public final class KeyRing: Sendable {
    /// Opened keys held at once; beyond it the one used least recently is dropped, and asked for again or
    /// read from the key records when needed.
    public static let openedMax = 65_536

    /// Why a key record gives no key.
    public enum Refusal: Error, Equatable, Sendable {
        /// Every recipient's private half is gone, or was never here.
        case destroyed
        /// A box does not open or holds another key than named.
        case notAuthentic
    }

    private struct Name: Hashable {
        var tenant: TenantID
        var agent: AgentID
        var id: DataKeyID
    }
    private struct Opened {
        var key: DataKey
        var recipient: ID128
        var lastUse: UInt64
    }
    private struct State {
        var pairs: [ID128: (pair: BoxKeyPair, destroyAfter: Timestamp)] = [:]
        var opened: [Name: Opened] = [:]
        var uses: UInt64 = 0
    }
    private let state = Mutex(State())

    public init() {}

    public func add(_ pair: BoxKeyPair, destroyAfter: Timestamp) {
        state.withLock { $0.pairs[pair.publicKey.high] = (pair, destroyAfter) }
    }

    public func key(tenant: TenantID, agent: AgentID, id: DataKeyID) -> DataKey? {
        let name = Name(tenant: tenant, agent: agent, id: id)
        return state.withLock { state in
            state.uses &+= 1
            let uses = state.uses
            return state.opened[name].map {
                state.opened[name]?.lastUse = uses
                return $0.key
            }
        }
    }

    /// Opens a record that the agent's identity has signed, and keeps its key.
    public func open(_ record: KeyRecord, tenant: TenantID, agent: AgentID) throws(Refusal) -> DataKey {
        if let known = key(tenant: tenant, agent: agent, id: record.id) { return known }
        let pairs = state.withLock { state in record.boxes.compactMap { state.pairs[$0.recipient]?.pair } }
        guard !pairs.isEmpty else { throw .destroyed }
        for pair in pairs {
            guard let key = try? record.open(with: pair) else { continue }  // the next recipient's box may open
            return keep(key, Name(tenant: tenant, agent: agent, id: record.id), recipient: pair.publicKey.high)
        }
        throw .notAuthentic
    }

    /// Opens what was sealed to one of the pairs.
    public func open(_ result: SealedResult) throws(Refusal) -> [UInt8] {
        guard let pair = state.withLock({ $0.pairs[result.recipient]?.pair }) else { throw .destroyed }
        do { return try pair.open(result.sealed) } catch { throw .notAuthentic }
    }

    private func keep(_ key: DataKey, _ name: Name, recipient: ID128) -> DataKey {
        state.withLock { state in
            // Destroyed while the box was being opened: use it for this batch, keep nothing.
            guard state.pairs[recipient] != nil else { return key }
            if state.opened.count >= Self.openedMax { Self.dropOldest(&state) }
            state.uses &+= 1
            state.opened[name] = Opened(key: key, recipient: recipient, lastUse: state.uses)
            return key
        }
    }

    /// Drops the eighth used least recently, so that the search is paid once per many insertions.
    private static func dropOldest(_ state: inout State) {
        let uses = state.opened.values.map(\.lastUse).sorted()
        let limit = uses[uses.count / 8]
        state.opened = state.opened.filter { $0.value.lastUse > limit }
    }

    /// Erases the private halves that are due and every data key opened with them.
    /// - Returns: the recipients erased; the caller destroys their files.
    public func destroyExpired(now: Timestamp) -> [ID128] {
        state.withLock { state in
            let due = state.pairs.filter { $0.value.destroyAfter <= now }.map(\.key)
            guard !due.isEmpty else { return [] }
            for recipient in due { state.pairs[recipient] = nil }
            let gone = Set(due)
            state.opened = state.opened.filter { !gone.contains($0.value.recipient) }
            return due.sorted()
        }
    }

    public var counts: (pairs: Int, opened: Int) { state.withLock { ($0.pairs.count, $0.opened.count) } }
}
