import Synchronization
import Telemetry

/// The level-0 blocks of one tenant as queries and the compactor see them: a list per agent, oldest first.
///
/// Every block that is on disk and not yet compacted is listed (about 150 B each). Beside that the newest blocks
/// keep their compressed body (``StoreLimits/headBodyBytesMax``), and what was decoded last for a reader its samples
/// (``StoreLimits/headDecodedBytesMax``); what is not kept is read from disk when asked for. What range queries ask for
/// stands in columns (``StoreLimits/headColumnBytesMax``). So the memory of the head has a fixed bound apart from the
/// list, and appending costs O(1) per block whatever it holds.
final class Head: Sendable {
    struct Block: Sendable {
        let id: Int64
        /// Samples' time, corrected by `shift`.
        let first: Int64
        let last: Int64
        /// Milliseconds to add to its timestamps: it came out of quarantine.
        let shift: Int64
        let records: UInt32
        let receivedAt: Int64
        let bodyBytes: Int
        var body: [UInt8]?
        /// As somebody decoded it, with the table set known; not shifted.
        var decoded: DecodedBlock?
    }

    /// A class, so that a copy of a block's entry counts one reference.
    final class DecodedBlock: Sendable {
        let tables: [TableHash]
        let samples: MetricBatch

        init(tables: [TableHash], samples: MetricBatch) {
            self.tables = tables
            self.samples = samples
        }
        var bytes: Int { samples.groups.reduce(0) { $0 + $1.values.count * 8 + $1.series.count * 4 + 64 } }
    }

    private struct State {
        var agents: [AgentNumber: [Block]] = [:]
        var decodedOrder = EvictionQueue()
        var bodyOrder = EvictionQueue()
        var blockCount = 0
        /// Of the bodies that listed blocks have in memory.
        var bodyBytes = 0
    }

    private let state = Mutex(State())
    private let decodedBytesMax: Int
    private let bodyBytesMax: Int
    /// What range queries read of the blocks.
    let columns: ColumnShelf

    init(
        decodedBytesMax: Int = StoreLimits.headDecodedBytesMax, bodyBytesMax: Int = StoreLimits.headBodyBytesMax,
        columnBytesMax: Int = StoreLimits.headColumnBytesMax
    ) {
        self.decodedBytesMax = decodedBytesMax
        self.bodyBytesMax = bodyBytesMax
        columns = ColumnShelf(bytesMax: columnBytesMax)
    }

    /// Blocks of one commit, in its order.
    func append(_ blocks: [(agent: AgentNumber, block: Block)]) {
        state.withLock { state in
            for (agent, block) in blocks {
                state.agents[agent, default: []].append(block)
                state.blockCount += 1
                if let decoded = block.decoded { state.decodedOrder.push(agent, block.id, decoded.bytes) }
                if let body = block.body {
                    state.bodyOrder.push(agent, block.id, body.count)
                    state.bodyBytes += body.count
                }
            }
            forgetDecoded(&state)
            while state.bodyOrder.bytes > bodyBytesMax, let oldest = state.bodyOrder.pop() {
                var bytes = 0
                Self.update(&state, oldest) { block in
                    bytes = block.body?.count ?? 0
                    block.body = nil
                }
                state.bodyBytes -= bytes
            }
        }
    }

    /// What was decoded to be read is kept for the next who reads it.
    func keep(_ decoded: DecodedBlock, of id: Int64, _ agent: AgentNumber) {
        state.withLock { state in
            var isKept = false
            Self.update(&state, (agent, id)) { block in
                guard block.decoded == nil else { return }
                block.decoded = decoded
                isKept = true
            }
            guard isKept else { return }
            state.decodedOrder.push(agent, id, decoded.bytes)
            forgetDecoded(&state)
        }
    }

    /// What an agent's older blocks were decoded to is forgotten: columns hold it.
    func forgetDecoded(of agent: AgentNumber, butNewest count: Int) {
        state.withLock { state in
            guard var blocks = state.agents.removeValue(forKey: agent) else { return }
            for index in blocks.indices.dropLast(count) { blocks[index].decoded = nil }
            state.agents[agent] = blocks
        }
    }

    private func forgetDecoded(_ state: inout State) {
        while state.decodedOrder.bytes > decodedBytesMax, let oldest = state.decodedOrder.pop() {
            Self.update(&state, oldest) { $0.decoded = nil }
        }
    }

    private static func update(
        _ state: inout State, _ place: (agent: AgentNumber, id: Int64), _ body: (inout Block) -> Void
    ) {
        guard var blocks = state.agents.removeValue(forKey: place.agent) else { return }
        if let index = index(of: place.id, in: blocks) { body(&blocks[index]) }
        state.agents[place.agent] = blocks
    }

    private static func index(of id: Int64, in blocks: [Block]) -> Int? {
        var low = 0
        var high = blocks.count
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < blocks.count && blocks[low].id == id ? low : nil
    }

    /// An agent's blocks, oldest first.
    func blocks(of agent: AgentNumber) -> [Block] { state.withLock { $0.agents[agent] ?? [] } }

    /// Its oldest blocks of at most `samplesMax` samples together; at least one if there is any.
    func blocks(of agent: AgentNumber, samplesMax: Int) -> [Block] {
        state.withLock { state in
            guard let blocks = state.agents[agent] else { return [] }
            var samples = 0
            let end = blocks.firstIndex { block in
                samples += Int(block.records)
                return samples > samplesMax
            }
            return Array(blocks.prefix(max(1, end ?? blocks.count)))
        }
    }

    func allIDs() -> [Int64] { state.withLock { $0.agents.values.flatMap { $0.map(\.id) } } }

    /// Takes out compacted blocks.
    func remove(_ ids: Set<Int64>, of agent: AgentNumber) {
        state.withLock { state in
            guard var blocks = state.agents.removeValue(forKey: agent) else { return }
            for block in blocks where ids.contains(block.id) {
                state.blockCount -= 1
                state.bodyBytes -= block.body?.count ?? 0
            }
            blocks.removeAll { ids.contains($0.id) }
            if !blocks.isEmpty { state.agents[agent] = blocks }
        }
        columns.remove(agent)
    }

    struct Summary: Sendable {
        let agent: AgentNumber
        let blocks: Int
        let records: Int
        /// When the oldest was received.
        let oldestReceivedAt: Int64
    }
    /// For the compactor's choice. O(agents).
    func summaries() -> [Summary] {
        state.withLock { state in
            state.agents.map { agent, blocks in
                Summary(
                    agent: agent, blocks: blocks.count, records: blocks.count * Int(blocks.first?.records ?? 0),
                    oldestReceivedAt: blocks.first?.receivedAt ?? .max)
            }
        }
    }

    struct Size: Sendable {
        var blocks = 0
        /// Of the bodies in memory; those of blocks that are gone do not count.
        var bodyBytes = 0
    }
    var size: Size { state.withLock { Size(blocks: $0.blockCount, bodyBytes: $0.bodyBytes) } }
}

/// What was added first goes first. Entries of blocks that are gone meanwhile pass through harmlessly; they are
/// still counted until then, so the bound holds.
private struct EvictionQueue: Sendable {
    private var entries: [(agent: AgentNumber, id: Int64, bytes: Int)] = []
    private var head = 0
    private(set) var bytes = 0

    mutating func push(_ agent: AgentNumber, _ id: Int64, _ size: Int) {
        entries.append((agent, id, size))
        bytes += size
    }
    mutating func pop() -> (agent: AgentNumber, id: Int64)? {
        guard head < entries.count else { return nil }
        let entry = entries[head]
        head += 1
        bytes -= entry.bytes
        if head > 1024, head > entries.count / 2 {
            entries.removeFirst(head)
            head = 0
        }
        return (entry.agent, entry.id)
    }
}
