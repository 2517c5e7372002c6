package import Access
import Sealing
import Synchronization
package import Telemetry
import WireFormat

/// One-time tickets for the live stream, for clients that cannot send headers with it: a bearer token must never
/// stand in a URL. A ticket opens one stream within 30 seconds, then it is spent.
package final class TicketOffice: Sendable {
    package static let lifetimeMilliseconds: Int64 = 30_000
    /// Unspent tickets; beyond it new ones are refused.
    package static let ticketsMax = 4096
    private let tickets = Mutex<[String: (principal: Principal, expiresAt: Timestamp)]>([:])

    package init() {}

    /// - Returns: nil when too many wait to be used.
    package func issue(to principal: Principal, now: Timestamp) -> String? {
        let ticket = Base64URL.encode(RandomBytes.make(24))
        return tickets.withLock { tickets in
            if tickets.count >= Self.ticketsMax { tickets = tickets.filter { $0.value.expiresAt > now } }
            guard tickets.count < Self.ticketsMax else { return nil }
            tickets[ticket] = (principal, now.advanced(byMilliseconds: Self.lifetimeMilliseconds))
            return ticket
        }
    }

    package func spend(_ ticket: String, now: Timestamp) -> Principal? {
        tickets.withLock { tickets in
            guard let entry = tickets.removeValue(forKey: ticket), entry.expiresAt > now else { return nil }
            return entry.principal
        }
    }
}
