import Buffer
import RuntimeSupport
import SQLite
import Telemetry
import TestSupport
import Testing
import WireFormat

/// A buffer in a directory of its own with manual time and seeded epochs.
final class BufferBench {
    let directory: TemporaryDirectory
    let time = ManualTimeSource()
    var configuration: BufferConfiguration
    private(set) var buffer: Buffer
    private var generator: SeededGenerator

    init(_ configuration: BufferConfiguration = BufferConfiguration(bytesMax: 16 << 20), seed: UInt64 = 1) throws {
        directory = try TemporaryDirectory("buffer")
        self.configuration = configuration
        generator = SeededGenerator(seed: seed)
        buffer = try Buffer(
            path: directory.file("buffer.sqlite"), configuration: configuration, time: time,
            generator: SeededGenerator(seed: generator.next()))
    }

    var path: String { directory.file("buffer.sqlite") }

    /// As a clean stop and start.
    func restart() throws {
        buffer.close()
        try open()
    }

    /// As kill -9: what the process had not written is gone, what it had is there.
    func crash() throws {
        let copies = try ["", "-wal"].map { suffix in
            Files.exists(path + suffix) ? try Files.read(path + suffix) : []
        }
        buffer.close()
        try Files.write(copies[0], to: path)
        try Files.write(copies[1], to: path + "-wal")
        try open()
    }

    func open() throws {
        buffer = try Buffer(
            path: path, configuration: configuration, time: time, generator: SeededGenerator(seed: generator.next()))
    }

    /// The payload that stands for a key: recognisable, of any size.
    static func payload(_ key: BatchKey, _ size: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: key.sequence ^ key.epoch.low ^ UInt64(key.lane.rawValue) << 60)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + 8)
        while bytes.count < size { withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(size))
    }

    @discardableResult
    func append(
        _ lane: Lane = .live, size: Int = 5000, records: UInt32 = 10, key: DataKeyID? = nil, tables: [TableHash] = []
    ) throws -> PendingBatch? {
        try buffer.append(
            lane: lane, kind: lane == .live ? .metrics : .findings, recordCount: records, firstTimestamp: time.now,
            key: key, tables: tables
        ) { Self.payload($0, size) }
    }

    func acknowledge(_ keys: [BatchKey], rejecting rejections: [Acknowledgement.Rejection] = []) throws -> SettleOutcome
    {
        let lanes = Dictionary(grouping: keys, by: \.laneKey)
        return try buffer.settle(
            acknowledgement(
                lanes.map { lane, keys in
                    .init(laneKey: lane, contiguous: 0, ranges: keys.map(\.sequence).sorted().map { $0...$0 })
                }, rejections))
    }

    func acknowledgement(
        _ settled: [Acknowledgement.Settled], _ rejections: [Acknowledgement.Rejection] = []
    ) -> Acknowledgement {
        Acknowledgement(
            counter: 1, runningEpoch: buffer.runningEpoch, aggregatorID: .zero, settled: settled,
            rejections: rejections, time: time.now, creditBytes: 1 << 20)
    }

    func pending(_ lane: Lane) throws -> [PendingBatch] { try buffer.oldestPending(lane: lane, limit: .max >> 1) }

    /// Every ledger balances and agrees with the rows that are there.
    func check(_ comment: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
        var counts: [LaneKey: LedgerCount] = [:]
        for lane in Lane.allCases {
            for batch in try pending(lane) {
                counts[batch.key.laneKey, default: LedgerCount()] += LedgerCount(
                    batches: 1, records: UInt64(batch.recordCount))
            }
        }
        for ledger in buffer.ledger() {
            #expect(ledger.isBalanced, "\(comment()) \(ledger)", sourceLocation: sourceLocation)
            #expect(
                ledger.pending == counts[ledger.laneKey] ?? LedgerCount(), "\(comment()) \(ledger)",
                sourceLocation: sourceLocation)
            if ledger.laneKey.epoch != .zero {
                #expect(ledger.produced.batches == ledger.next - 1, "\(comment())", sourceLocation: sourceLocation)
            }
        }
    }

    /// All losses, taken as batches and acknowledged.
    func drainLosses() throws -> [LossRecord] {
        var all: [LossRecord] = []
        while true {
            var records: [LossRecord] = []
            let batch = try buffer.appendLosses { key, found in
                records = found
                return Self.payload(key, 100 + 40 * found.count)
            }
            guard let batch else { return all }
            all += records
            _ = try acknowledge([batch.key])
        }
    }
}

extension Sequence<LossRecord> {
    func count(_ reason: LossReason) -> LedgerCount {
        filter { $0.reason == reason }.reduce(LedgerCount()) { $0 + $1.count }
    }
}
