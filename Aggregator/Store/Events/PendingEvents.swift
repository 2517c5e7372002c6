import Ingest
import Telemetry

/// A level-0 block of events that waits to be filed.
struct PendingEvents {
    let block: Int64
    let shift: Int64
    /// Events in it.
    let records: Int
    /// Of small blocks, as the opener decoded them; nil after a restart or when many wait.
    var events: [ListeningEvent]?
    var body: [UInt8]?
}

/// What waits to be filed, oldest first, with what of it is at hand: the mover reads the rest from disk.
struct PendingEventQueue {
    /// Events that stay decoded in memory, about 0.5 kB each: only those of small blocks, which are joined.
    static let decodedMax = 65_536
    /// Bytes of blocks in memory.
    static let bytesMax = 32 << 20

    private var blocks: [PendingEvents] = []
    private var head = 0
    private(set) var records = 0
    private var decoded = 0
    private var bytes = 0

    var count: Int { blocks.count - head }

    func prefix(_ max: Int) -> [PendingEvents] { Array(blocks[head...].prefix(max)) }

    mutating func append(_ added: PendingEvents) {
        var block = added
        let (events, size) = (block.events?.count ?? 0, block.body?.count ?? 0)
        if block.records >= EventContent.joinedBelow || decoded + events > Self.decodedMax { block.events = nil }
        if bytes + size > Self.bytesMax { block.body = nil }
        records += block.records
        decoded += block.events?.count ?? 0
        bytes += block.body?.count ?? 0
        blocks.append(block)
    }

    mutating func removeFirst(_ count: Int) {
        for index in head..<head + count {
            records -= blocks[index].records
            decoded -= blocks[index].events?.count ?? 0
            bytes -= blocks[index].body?.count ?? 0
            (blocks[index].events, blocks[index].body) = (nil, nil)
        }
        head += count
        guard head == blocks.count || head > 4096 else { return }
        blocks.removeFirst(head)
        head = 0
    }
}
