import Telemetry

/// Messages published on this connection that the broker has not taken yet.
struct Flight {
    enum Message: Equatable {
        case batch(BatchKey)
        case control(ControlMessage)
    }

    private(set) var messages: [UInt64: (message: Message, sentAt: Int64)] = [:]
    private(set) var nextTicket: UInt64
    let slots: Int
    let batchBytesMax: Int
    /// Since when the connection has ended, although its end is not told yet: nothing may go.
    var cutAt: Int64?
    var isCut: Bool { cutAt != nil }

    init(slots: Int = 0, batchBytesMax: Int = 0, nextTicket: UInt64 = 1) {
        self.slots = slots
        self.batchBytesMax = batchBytesMax
        self.nextTicket = nextTicket
    }

    var freeSlots: Int { isCut ? 0 : max(0, slots - messages.count) }
    /// Slots that bulk data leaves to alerts and control messages.
    var reservedSlots: Int { slots > 1 ? max(1, slots / 8) : 0 }
    var freeBulkSlots: Int { max(0, freeSlots - reservedSlots) }
    var oldestSentAt: Int64? { messages.values.lazy.map(\.sentAt).min() }

    /// Tables, keys, births and results that must be sent again on the next connection, in order.
    var unfinishedControl: [ControlMessage] {
        messages.sorted { $0.key < $1.key }.compactMap {
            if case .control(let message) = $0.value.message { message } else { nil }
        }
    }

    mutating func issue() -> UInt64 {
        defer { nextTicket += 1 }
        return nextTicket
    }

    mutating func send(_ message: Message, now: Int64) -> UInt64 {
        let ticket = issue()
        messages[ticket] = (message, now)
        return ticket
    }

    @discardableResult
    mutating func remove(_ ticket: UInt64) -> Message? { messages.removeValue(forKey: ticket)?.message }

    func holds(_ ticket: UInt64) -> Bool { messages[ticket] != nil }
}
