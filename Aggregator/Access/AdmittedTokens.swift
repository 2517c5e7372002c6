import Sealing
import Synchronization
import Telemetry

/// Whose tokens were found good within the last second, so that a dashboard's requests need not ask the file each time.
///
/// Cleared by every write of this process; what another process revokes is noticed after ``milliseconds``. Holds hashes
/// of secrets, as the file does. Thread-safe.
final class AdmittedTokens: Sendable {
    static let milliseconds: Int64 = 1000
    /// Beyond it all are forgotten.
    static let countMax = 4096

    private struct Entry {
        let hash: [UInt8]
        let principal: Principal
        let at: Timestamp
        let expiresAt: Timestamp?
    }
    private let entries = Mutex<[String: Entry]>([:])

    func principal(of token: BearerToken, now: Timestamp) -> Principal? {
        guard let entry = entries.withLock({ $0[token.id] }),
            0..<Self.milliseconds ~= now.milliseconds(since: entry.at), entry.expiresAt.map({ $0 > now }) ?? true,
            ConstantTime.equal(token.hash, entry.hash)
        else { return nil }
        return entry.principal
    }

    func insert(_ principal: Principal, of token: BearerToken, expiresAt: Timestamp?, now: Timestamp) {
        entries.withLock { entries in
            if entries.count >= Self.countMax { entries.removeAll() }
            entries[token.id] = Entry(hash: token.hash, principal: principal, at: now, expiresAt: expiresAt)
        }
    }

    func removeAll() { entries.withLock { $0.removeAll() } }
}
