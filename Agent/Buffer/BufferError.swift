package import SQLite
package import Telemetry

/// Why the buffer did not do what was asked.
package enum BufferError: Error, CustomStringConvertible {
    /// The rows of this transaction are not stored. Unless the caller asked for `refuse`, their sequences are
    /// declared lost with this reason. The cause has been dealt with (space made, a new file begun) or persists.
    case notStored(LossReason, cause: SQLiteError?)
    /// A table or key that the row names is not in the buffer: put it first.
    case missingAuxiliary(AuxiliaryName)
    /// Tables and keys are at their bound and all are in use.
    case auxiliaryFull
    /// A key or value over its bound.
    case valueTooLarge(String)
    /// The file cannot be opened or made; says what to do.
    case cannotOpen(SQLiteError)

    package var description: String {
        switch self {
        case .notStored(let reason, let cause):
            "the rows were not stored (\(reason.name))" + (cause.map { ": \($0)" } ?? "")
        case .missingAuxiliary(let name): "the row names \(name), which the buffer does not hold"
        case .auxiliaryFull: "the buffer holds as many tables and keys as it may, and all are in use"
        case .valueTooLarge(let key): "the value or key \(key) is larger than the buffer keeps"
        case .cannotOpen(let error): "the buffer cannot be opened: \(error)"
        }
    }
}

/// What happened to the buffer that someone should hear of. Read and cleared by `Buffer.takeIncidents()`.
package enum BufferIncident: Hashable, Sendable {
    /// The file was damaged: it now lies at `path`, a new one was begun, `lost` rows that it held are declared.
    case setAside(path: String, cause: String, lost: LedgerCount)
    /// A row's checksum did not match; it is declared lost.
    case damagedRow(BatchKey)
    /// Rows that the ledger counts were not found; they are declared lost.
    case missingRows(LaneKey, LedgerCount)
    /// An acknowledgement named a sequence that this epoch has not reached: the buffer was rewound (a restored
    /// image, a clone). The epoch takes no more rows.
    case rewound(LaneKey, acknowledged: UInt64, next: UInt64)
    /// Rows could not be written.
    case writeFailed(String)
    /// The file is larger than the bound allows and could not be made smaller.
    case overCap(bytes: Int64)
}

/// A content-addressed payload that rows name: a series table or a sealed data key.
package enum AuxiliaryName: Hashable, Sendable, CustomStringConvertible {
    case table(TableHash)
    case key(DataKeyID)

    package var kind: BatchKind {
        switch self {
        case .table: .table
        case .key: .key
        }
    }
    var bytes: [UInt8] {
        switch self {
        case .table(let hash): hash.bytes
        case .key(let id): id.bytes
        }
    }
    init?(bytes: [UInt8]) {
        if let hash = TableHash(bytes: bytes) {
            self = .table(hash)
        } else if let id = DataKeyID(bytes: bytes) {
            self = .key(id)
        } else {
            return nil
        }
    }
    package var description: String {
        switch self {
        case .table(let hash): "table \(hash)"
        case .key(let id): "key \(id)"
        }
    }
}
