import Buffer
import RuntimeSupport
import Sealing
import Telemetry
import WireFormat

/// Seals batches under the current data key and stores them: tables and keys beside the lanes, rows in them.
struct BatchSealer {
    let tenant: TenantID
    let agent: AgentID
    var keys: AgentKeys
    let clock: () -> ClockReading
    let now: () -> Timestamp

    struct Content {
        var kind: BatchKind
        var lane: Lane
        /// Encoded and compressed.
        var body: [UInt8]
        var recordCount: UInt32
        var first: Timestamp
        var last: Timestamp
        var tables: [TableHash] = []
        var flags: BatchHeader.Flags = []
    }

    /// What was stored, for the uplink.
    struct Stored {
        var batch: PendingBatch?
        var newKey: DataKeyID?
    }

    /// Seals and stores one row, within the caller's transaction if there is one.
    mutating func append(_ content: Content, to buffer: Buffer) throws -> Stored {
        let (key, newKey) = try currentKey(in: buffer)
        let batch = try buffer.append(
            lane: content.lane, kind: content.kind, recordCount: content.recordCount, firstTimestamp: content.first,
            key: key.key.id, tables: content.tables
        ) { batchKey in
            payload(content, key, epoch: batchKey.epoch, sequence: batchKey.sequence)
        }
        return Stored(batch: batch, newKey: newKey)
    }

    /// Stores what the buffer had to give up, as rows of the alert lane.
    mutating func appendLosses(
        to buffer: Buffer, encode: ([LossRecord]) -> [UInt8]
    ) throws -> [Stored] {
        var stored: [Stored] = []
        while try buffer.waitingLossCount() > 0 {
            let (key, newKey) = try currentKey(in: buffer)
            let time = now()
            let batch = try buffer.appendLosses(key: key.key.id) { batchKey, losses in
                let content = Content(
                    kind: .loss, lane: .alert, body: encode(losses), recordCount: UInt32(losses.count), first: time,
                    last: time)
                return payload(content, key, epoch: batchKey.epoch, sequence: batchKey.sequence)
            }
            guard let batch else { break }
            stored.append(Stored(batch: batch, newKey: newKey))
        }
        return stored
    }

    /// Seals a series table and puts it beside the lanes.
    mutating func put(table hash: TableHash, body: [UInt8], seriesCount: UInt32, in buffer: Buffer) throws -> DataKeyID?
    {
        let (key, newKey) = try currentKey(in: buffer)
        let time = now()
        let content = Content(kind: .table, lane: .live, body: body, recordCount: seriesCount, first: time, last: time)
        try buffer.put(.table(hash), payload(content, key, epoch: buffer.runningEpoch, sequence: 0))
        return newKey
    }

    private mutating func currentKey(in buffer: Buffer) throws -> (AgentKeys.Current, newKey: DataKeyID?) {
        let (current, isNew) = try keys.next(now: now(), clock: clock())
        // A buffer that was set aside and begun anew has lost the key with the rest.
        let isMissing = !buffer.contains(.key(current.key.id))
        if isMissing { try buffer.put(.key(current.key.id), current.payload) }
        return (current, isNew || isMissing ? current.key.id : nil)
    }

    private func payload(_ content: Content, _ key: AgentKeys.Current, epoch: EpochID, sequence: UInt64) -> [UInt8] {
        let header = BatchHeader(
            kind: content.kind, lane: content.lane, flags: key.flags.union(content.flags), agent: agent, epoch: epoch,
            sequence: sequence,
            dataKeyID: key.key.id, firstTimestamp: content.first, lastTimestamp: content.last,
            recordCount: content.recordCount, clock: clock(), nonce: RandomBytes.nonce())
        return SealedBatch.seal(header: header, tenant: tenant, plaintext: content.body, key: key.key)
    }
}
