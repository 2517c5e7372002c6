import Telemetry
import WireFormat

/// A table or key in the file.
struct Auxiliary: Sendable {
    /// Of a payload, enough for its header.
    static let headerBytes = 256

    var name: AuxiliaryName
    /// Of a table: the key that it is sealed with, without which nobody can read it.
    var sealingKey: DataKeyID?
    var sizeBytes: Int64
    /// Rows that name it, and what of that is on disk.
    var rows: Int64
    var savedRows: Int64

    /// - Parameter payload: its first ``headerBytes`` or more.
    init(name: AuxiliaryName, payload: [UInt8], sizeBytes: Int64, rows: Int64 = 0) {
        self.name = name
        self.sizeBytes = sizeBytes
        self.rows = rows
        savedRows = rows
        // What has no header names no key: it cannot be opened anyway.
        if case .table = name { sealingKey = (try? BatchHeader(decodingPrefixOf: payload))?.dataKeyID }
    }
}

/// Everything that the buffer counts, as one value: a transaction that fails puts the earlier value back.
struct Books: Sendable {
    struct Epoch: Sendable {
        var id: EpochID
        var isClosed = false
        var isSaved = true
    }
    var epochs: [Int64: Epoch] = [:]
    var running: Int64 = 0
    var accounts: [LaneID: LaneAccount] = [:]
    /// Accounts that differ from what the file holds.
    var dirty: Set<LaneID> = []
    var auxiliaries: [Int64: Auxiliary] = [:]
    var auxiliaryIDs: [AuxiliaryName: Int64] = [:]
    var nextAuxiliary: Int64 = 1
    /// Losses that no transaction has stored yet; neighbours are merged.
    var unsavedLosses: [StoredLoss] = []
    var deferredRows = 0
    var deferredBytes: Int64 = 0
    /// Monotonic milliseconds of the oldest deferral.
    var deferredSince: Int64 = 0

    var auxiliaryBytes: Int64 { auxiliaries.values.reduce(0) { $0 + $1.sizeBytes } }
    var pendingLossBatches: UInt64 { accounts.values.reduce(0) { $0 + $1.pendingLossBatches } }

    func laneID(_ key: LaneKey) -> LaneID? {
        accounts.first { $0.value.key == key && $0.key.ordinal != 0 }?.key
    }

    /// Changes an account and notes that it has to be written.
    mutating func update<Result>(_ id: LaneID, _ body: (inout LaneAccount) -> Result) -> Result? {
        guard accounts[id] != nil || openAccount(id) else { return nil }
        dirty.insert(id)
        return accounts[id].map { account in
            var changed = account
            let result = body(&changed)
            accounts[id] = changed
            return result
        }
    }

    private mutating func openAccount(_ id: LaneID) -> Bool {
        guard let epoch = epochs[id.ordinal], let lane = id.lane else { return false }
        accounts[id] = LaneAccount(key: LaneKey(epoch: epoch.id, lane: lane))
        return true
    }

    mutating func use(_ references: [Int64], _ change: Int64) {
        for reference in references {
            auxiliaries[reference]?.rows += change
        }
    }

    mutating func addUnsaved(_ loss: StoredLoss) {
        if let last = unsavedLosses.indices.last, unsavedLosses[last].lane == loss.lane,
            unsavedLosses[last].reason == loss.reason,
            unsavedLosses[last].sequences.upperBound + 1 == loss.sequences.lowerBound
        {
            unsavedLosses[last].sequences =
                unsavedLosses[last].sequences.lowerBound...loss.sequences.upperBound
            unsavedLosses[last].count += loss.count
        } else {
            unsavedLosses.append(loss)
        }
    }
}
