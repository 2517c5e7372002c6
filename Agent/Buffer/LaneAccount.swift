package import Telemetry
import WireFormat

/// The ledger of one (epoch, lane), as people and the protocol read it.
/// Always: produced = committed + rejected + dropped + pending, in batches and in records.
package struct LaneLedger: Hashable, Sendable {
    package var laneKey: LaneKey
    /// The sequence that the next batch will get.
    package var next: UInt64
    package var produced: LedgerCount
    package var committed: LedgerCount
    package var rejected: [RejectionCode: LedgerCount]
    package var dropped: [LossReason: LedgerCount]
    package var pending: LedgerCount
    package var pendingBytes: UInt64
    package var isRunning: Bool

    package var rejectedTotal: LedgerCount { rejected.values.reduce(LedgerCount(), +) }
    package var droppedTotal: LedgerCount { dropped.values.reduce(LedgerCount(), +) }
    package var isBalanced: Bool { produced == committed + rejectedTotal + droppedTotal + pending }
}

/// The books of one (epoch, lane) in memory; what `encoded` holds is what the file keeps.
package struct LaneAccount: Sendable {
    var key: LaneKey
    var next: UInt64 = 1
    var produced = LedgerCount()
    var committed = LedgerCount()
    var rejected: [RejectionCode: LedgerCount] = [:]
    var dropped: [LossReason: LedgerCount] = [:]
    var pending = LedgerCount()
    var pendingBytes: UInt64 = 0
    /// Loss batches among the pending ones.
    var pendingLossBatches: UInt64 = 0
    /// Settled sequences whose rows are still to be deleted: ascending, disjoint, few.
    var deferred: [ClosedRange<UInt64>] = []

    /// Acknowledged sequences whose rows are still to be counted and deleted: ascending, disjoint, few. Lost in a
    /// crash, after which the rows are sent and acknowledged again.
    var acknowledged: [ClosedRange<UInt64>] = []

    init(key: LaneKey) { self.key = key }

    func isDeferred(_ sequence: UInt64) -> Bool { deferred.contains { $0.contains(sequence) } }
    func isPending(_ sequence: UInt64) -> Bool {
        !isDeferred(sequence) && !acknowledged.contains { $0.contains(sequence) }
    }
    /// The acknowledged range around a sequence, for passing over it at once.
    func acknowledgedRange(_ sequence: UInt64) -> ClosedRange<UInt64>? {
        acknowledged.first { $0.contains(sequence) }
    }

    func ledger(isRunning: Bool) -> LaneLedger {
        LaneLedger(
            laneKey: key, next: next, produced: produced, committed: committed, rejected: rejected, dropped: dropped,
            pending: pending, pendingBytes: pendingBytes, isRunning: isRunning)
    }

    mutating func removePending(_ row: RowMeta) {
        pending = pending - LedgerCount(batches: 1, records: UInt64(row.recordCount))
        pendingBytes &-= UInt64(row.sizeBytes)
        if row.kind == .loss { pendingLossBatches &-= 1 }
    }

    mutating func commit(_ row: RowMeta) {
        removePending(row)
        committed += row.count
    }

    mutating func drop(_ row: RowMeta, _ reason: LossReason) {
        removePending(row)
        dropped[reason, default: LedgerCount()] += row.count
    }

    /// Layout: version 1, then varints: next, produced, committed, pending (each batches, records), pending bytes,
    /// pending loss batches, and two lists (count, then code, batches, records) of rejections and drops; then the
    /// checksum of all before it, eight bytes little-endian.
    func encoded(_ id: LaneID) -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        writer.write(UInt8(1))
        writer.write(varint: next)
        for count in [produced, committed, pending] { Self.write(count, to: &writer) }
        writer.write(varint: pendingBytes)
        writer.write(varint: pendingLossBatches)
        for list in [
            rejected.map { ($0.key.rawValue, $0.value) }, dropped.map { ($0.key.rawValue, $0.value) },
        ] {
            writer.write(varint: UInt64(list.count))
            for (code, count) in list.sorted(by: { $0.0 < $1.0 }) {
                writer.write(code)
                Self.write(count, to: &writer)
            }
        }
        writer.write(littleEndian: writer.bytes.withUnsafeBytes { Checksum.of($0, UInt64(bitPattern: id.rawValue)) })
        return writer.bytes
    }

    /// - Returns: nil when the bytes are damaged.
    init?(key: LaneKey, id: LaneID, encoded bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 8 else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: bytes.dropLast(8))
        let sum = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: content.count, as: Int64.self))
        guard sum == Checksum.of(content, UInt64(bitPattern: id.rawValue)) else { return nil }
        self.init(key: key, content: content)
    }

    /// - Parameter content: what stands before the checksum.
    package init?(key: LaneKey, content: UnsafeRawBufferPointer) {
        self.init(key: key)
        var reader = ByteReader(content)
        do throws(WireError) {
            guard try reader.readByte("version") == 1 else { return nil }
            next = try reader.readVarint("next")
            produced = try Self.readCount(&reader)
            committed = try Self.readCount(&reader)
            pending = try Self.readCount(&reader)
            pendingBytes = try reader.readVarint("pending bytes")
            pendingLossBatches = try reader.readVarint("pending losses")
            for _ in 0..<(try reader.readCount("rejections", max: 255)) {
                guard let code = RejectionCode(rawValue: try reader.readByte("code")) else { return nil }
                rejected[code] = try Self.readCount(&reader)
            }
            for _ in 0..<(try reader.readCount("drops", max: 255)) {
                guard let reason = LossReason(rawValue: try reader.readByte("reason")) else { return nil }
                dropped[reason] = try Self.readCount(&reader)
            }
        } catch {
            return nil
        }
    }

    private static func write(_ count: LedgerCount, to writer: inout ByteWriter) {
        writer.write(varint: count.batches)
        writer.write(varint: count.records)
    }
    private static func readCount(_ reader: inout ByteReader) throws(WireError) -> LedgerCount {
        LedgerCount(batches: try reader.readVarint("batches"), records: try reader.readVarint("records"))
    }
}

/// A row without its payload.
struct RowMeta {
    var id: Int64
    var kind: BatchKind
    var recordCount: UInt32
    var sizeBytes: Int
    var storedAt: Timestamp
    /// The tables and the key that it names, by their numbers in the file.
    var references: [Int64]
    var count: LedgerCount { LedgerCount(batches: 1, records: UInt64(recordCount)) }
}

extension LedgerCount {
    static func - (left: Self, right: Self) -> Self {
        Self(batches: left.batches &- right.batches, records: left.records &- right.records)
    }
}

extension [ClosedRange<UInt64>] {
    /// Adds a range and joins what overlaps or touches.
    mutating func insert(joining range: ClosedRange<UInt64>) {
        var joined: [ClosedRange<UInt64>] = []
        for next in (self + [range]).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, next.lowerBound <= last.upperBound + 1 {
                joined[joined.count - 1] = last.lowerBound...Swift.max(last.upperBound, next.upperBound)
            } else {
                joined.append(next)
            }
        }
        self = joined
    }

    /// Forgets everything up to a sequence.
    mutating func remove(through sequence: UInt64) {
        self = compactMap { range in
            if range.upperBound <= sequence { return nil }
            return Swift.max(range.lowerBound, sequence + 1)...range.upperBound
        }
    }
}
