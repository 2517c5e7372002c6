import RuntimeSupport
package import Telemetry

/// A queue between the broker's callback and the openers, served round robin over tenants and, within a tenant, over
/// agents: who floods waits for itself, and its overflow is refused (unacknowledged, so it is sent again).
///
/// Bounds: items and bytes per tenant; of these ``itemsPerAgentMax`` per agent. A full tenant still takes up to
/// ``itemsReserved`` of each agent, within twice its bounds, so that nobody is kept out by the others' resends.
///
/// A tenant whose writer is behind is held: its messages stay here, in their fair order, and others are served.
///
/// `@unchecked Sendable`: every access to the stored properties holds the monitor.
package final class FairQueue<Element: Sendable>: @unchecked Sendable {
    /// Tenants, and agents of one tenant, with something waiting at once; a message of a further one is refused.
    package static var tenantsMax: Int { 4096 }
    package static var agentsMax: Int { 100_000 }
    /// Four times what an agent leaves unacknowledged.
    package static var itemsPerAgentMax: Int { 1024 }
    package static var itemsReserved: Int { 4 }
    package let itemsPerTenantMax: Int
    package let bytesPerTenantMax: Int

    /// One agent's messages.
    private final class Line {
        var items: [(element: Element, bytes: Int)?] = []
        var head = 0
        var depth: Int { items.count - head }

        func takeFirst() -> (element: Element, bytes: Int)? {
            guard head < items.count, let item = items[head] else { return nil }
            items[head] = nil
            head += 1
            if head == items.count {
                items.removeAll(keepingCapacity: items.capacity <= 64)
                head = 0
            } else if head > 256, head > items.count / 2 {
                items.removeFirst(head)
                head = 0
            }
            return item
        }
    }
    private final class Tenant {
        var lines: [AgentID: Line] = [:]
        var turns = Turns<Line>()
        var items = 0
        var bytes = 0
        var refused: UInt64 = 0
        var isHeld = false
    }
    /// Who has something waiting; the front one is served next.
    private struct Turns<Member> {
        private var members: [Member] = []
        private var head = 0
        var isEmpty: Bool { head == members.count }
        var count: Int { members.count - head }

        mutating func append(_ member: Member) { members.append(member) }
        mutating func takeFirst() -> Member? {
            guard head < members.count else { return nil }
            let member = members[head]
            head += 1
            if head == members.count {
                members.removeAll(keepingCapacity: true)
                head = 0
            } else if head > 1024, head > members.count / 2 {
                members.removeFirst(head)
                head = 0
            }
            return member
        }
    }
    private let monitor = Monitor()
    private var tenants: [TenantID: Tenant] = [:]
    /// Tenants with something waiting that are not held.
    private var turns = Turns<Tenant>()
    private var waiting = 0
    private var isClosed = false

    package init(itemsPerTenantMax: Int, bytesPerTenantMax: Int) {
        precondition(itemsPerTenantMax > 0 && bytesPerTenantMax > 0)
        self.itemsPerTenantMax = itemsPerTenantMax
        self.bytesPerTenantMax = bytesPerTenantMax
    }

    /// - Returns: false at one of the bounds or when the queue is closed; nothing was stored then.
    package func push(_ element: Element, of id: TenantID, from agent: AgentID, bytes size: Int) -> Bool {
        monitor.locked {
            guard !isClosed else { return false }
            guard let tenant = tenant(id) else { return false }
            guard let line = line(agent, tenant), hasRoom(tenant, line, size) else {
                tenant.refused += 1
                return false
            }
            if tenant.items == 0, !tenant.isHeld { turns.append(tenant) }
            if line.depth == 0 { tenant.turns.append(line) }
            line.items.append((element, size))
            tenant.items += 1
            tenant.bytes += size
            waiting += 1
            if !tenant.isHeld { monitor.wakeOne() }
            return true
        }
    }

    private func tenant(_ id: TenantID) -> Tenant? {
        if let known = tenants[id] { return known }
        if tenants.count >= Self.tenantsMax {
            tenants = tenants.filter { $0.value.items > 0 || $0.value.isHeld }
            guard tenants.count < Self.tenantsMax else { return nil }
        }
        let made = Tenant()
        tenants[id] = made
        return made
    }

    private func line(_ agent: AgentID, _ tenant: Tenant) -> Line? {
        if let known = tenant.lines[agent] { return known }
        if tenant.lines.count >= Self.agentsMax {
            tenant.lines = tenant.lines.filter { $0.value.depth > 0 }
            guard tenant.lines.count < Self.agentsMax else { return nil }
        }
        let made = Line()
        tenant.lines[agent] = made
        return made
    }

    private func hasRoom(_ tenant: Tenant, _ line: Line, _ size: Int) -> Bool {
        guard line.depth < Self.itemsPerAgentMax else { return false }
        func fits(_ factor: Int) -> Bool {
            tenant.items < itemsPerTenantMax * factor
                && (tenant.items == 0 || tenant.bytes + size <= bytesPerTenantMax * factor)
        }
        return fits(1) || line.depth < Self.itemsReserved && fits(2)
    }

    /// Takes up to `max` elements, one from each waiting tenant in turn; waits up to `milliseconds` for the first.
    /// - Returns: an empty array on timeout or when closed and empty.
    package func pop(max: Int, waitMilliseconds milliseconds: Int64) -> [Element] {
        monitor.locked {
            if turns.isEmpty, !isClosed, milliseconds > 0 {
                monitor.wait(milliseconds: milliseconds) { !turns.isEmpty || isClosed }
            }
            var taken: [Element] = []
            while taken.count < max, let tenant = turns.takeFirst() {
                // Who was held meanwhile comes back when it is released.
                guard !tenant.isHeld else { continue }
                if let line = tenant.turns.takeFirst(), let item = line.takeFirst() {
                    taken.append(item.element)
                    tenant.items -= 1
                    tenant.bytes -= item.bytes
                    waiting -= 1
                    if line.depth > 0 { tenant.turns.append(line) }
                }
                if tenant.items > 0 { turns.append(tenant) }
            }
            return taken
        }
    }

    /// Keeps a tenant's messages waiting, or lets them go on. Cheap when nothing changes.
    package func setHeld(_ isHeld: Bool, _ id: TenantID) {
        monitor.locked {
            guard let tenant = tenants[id], tenant.isHeld != isHeld, !isHeld || !isClosed else { return }
            tenant.isHeld = isHeld
            guard !isHeld, tenant.items > 0 else { return }
            turns.append(tenant)
            monitor.wakeAll()
        }
    }

    /// Wakes every waiter and lets all held tenants go on. What is stored can still be popped; nothing more can be
    /// pushed.
    package func close() {
        monitor.locked {
            isClosed = true
            for tenant in tenants.values where tenant.isHeld {
                tenant.isHeld = false
                if tenant.items > 0 { turns.append(tenant) }
            }
            monitor.wakeAll()
        }
    }

    package var isFinished: Bool { monitor.locked { isClosed && waiting == 0 } }

    package func depth(of tenant: TenantID) -> (items: Int, bytes: Int, refused: UInt64) {
        monitor.locked { (tenants[tenant]?.items ?? 0, tenants[tenant]?.bytes ?? 0, tenants[tenant]?.refused ?? 0) }
    }
}
