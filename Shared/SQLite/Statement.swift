import CSQLite

/// A prepared statement, made and kept by `Database.statement(_:)`. Parameters count from 1, columns from 0.
///
/// ```swift
/// let insert = try database.statement("INSERT INTO samples(at, value) VALUES (?1, ?2)")
/// try insert.bind(1, at)
/// try insert.bind(2, value)
/// try insert.run()
/// ```
/// Column values are valid until the next `step`, `run` or `reset`. Used by the connection's owner thread only.
public final class Statement {
    private var handle: OpaquePointer?
    private let ownership: Ownership
    /// The SQL text.
    public let text: String

    init(_ handle: OpaquePointer, text: String, ownership: Ownership) {
        self.handle = handle
        self.text = text
        self.ownership = ownership
    }

    deinit { sqlite3_finalize(handle) }

    /// Called by the database when it closes.
    func finalize() {
        sqlite3_finalize(handle)
        handle = nil
    }

    private var pointer: OpaquePointer {
        ownership.check()
        guard let handle else { preconditionFailure("statement used after its database was closed: \(text)") }
        return handle
    }

    // MARK: Parameters

    public func bind(_ index: Int32, _ value: Int64) throws(SQLiteError) {
        try check(sqlite3_bind_int64(pointer, index, value))
    }
    public func bind(_ index: Int32, _ value: Int) throws(SQLiteError) { try bind(index, Int64(value)) }
    public func bind(_ index: Int32, _ value: Double) throws(SQLiteError) {
        try check(sqlite3_bind_double(pointer, index, value))
    }
    /// SQLite keeps a copy.
    public func bind(_ index: Int32, _ value: String) throws(SQLiteError) {
        guard !value.isEmpty else {
            return try check(stagebox_sqlite_bind_text_copied(pointer, index, "", 0))
        }
        var value = value
        let result = value.withUTF8 { utf8 -> Int32 in
            guard let count = Int32(exactly: utf8.count) else { return SQLITE_TOOBIG }
            return utf8.withMemoryRebound(to: CChar.self) { characters in
                stagebox_sqlite_bind_text_copied(pointer, index, characters.baseAddress, count)
            }
        }
        try check(result)
    }
    /// SQLite keeps a copy.
    public func bind(_ index: Int32, _ value: [UInt8]) throws(SQLiteError) {
        try check(
            value.withUnsafeBytes { bytes -> Int32 in
                guard !bytes.isEmpty else { return sqlite3_bind_zeroblob(pointer, index, 0) }
                guard let count = Int32(exactly: bytes.count) else { return SQLITE_TOOBIG }
                return stagebox_sqlite_bind_blob_copied(pointer, index, bytes.baseAddress, count)
            })
    }
    /// Binds without copying: the memory must stay until the statement has run or been reset.
    public func bind(_ index: Int32, borrowing bytes: UnsafeRawBufferPointer) throws(SQLiteError) {
        guard !bytes.isEmpty else { return try check(sqlite3_bind_zeroblob(pointer, index, 0)) }
        guard let count = Int32(exactly: bytes.count) else { return try check(SQLITE_TOOBIG) }
        try check(stagebox_sqlite_bind_blob_borrowed(pointer, index, bytes.baseAddress, count))
    }
    public func bindNull(_ index: Int32) throws(SQLiteError) { try check(sqlite3_bind_null(pointer, index)) }

    // MARK: Running

    /// Moves to the next row. At the end, and on an error, the statement is reset and ready to be bound again.
    /// - Returns: whether there is a row.
    public func step() throws(SQLiteError) -> Bool {
        let statement = pointer
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            sqlite3_reset(statement)
            return false
        default:
            // The error is read before the reset repeats it.
            let error = failure()
            sqlite3_reset(statement)
            throw error
        }
    }

    /// Steps to the end, whatever rows come.
    public func run() throws(SQLiteError) {
        while try step() {}
    }

    /// The first column of the first row; nil when there is no row or the column is null.
    public func firstInteger() throws(SQLiteError) -> Int64? {
        guard try step() else { return nil }
        let value = isNull(0) ? nil : integer(0)
        reset()
        return value
    }

    /// Ends a query early; needed whenever `step` has not returned false, else its read lock stays.
    public func reset() { sqlite3_reset(pointer) }

    // MARK: Columns

    public func isNull(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_NULL }
    public func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }
    public func double(_ column: Int32) -> Double { sqlite3_column_double(pointer, column) }
    /// Ill-formed UTF-8 is repaired.
    public func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(pointer, column) else { return "" }
        let count = Int(sqlite3_column_bytes(pointer, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }
    public func blob(_ column: Int32) -> [UInt8] { withBlob(column) { Array($0) } }
    /// The blob where SQLite holds it; it must not be kept beyond `body`. Null is an empty blob.
    public func withBlob<Result, Failure: Error>(
        _ column: Int32, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let statement = pointer
        let start = sqlite3_column_blob(statement, column)
        let count = Int(sqlite3_column_bytes(statement, column))
        return try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    // MARK: Errors

    private func check(_ result: Int32) throws(SQLiteError) {
        guard result != SQLITE_OK else { return }
        throw failure(result)
    }

    private func failure(_ result: Int32? = nil) -> SQLiteError {
        let connection = sqlite3_db_handle(handle)
        let code = result ?? sqlite3_extended_errcode(connection)
        let message = sqlite3_errmsg(connection).map { String(cString: $0) } ?? "unknown error"
        return SQLiteError(extendedCode: code, message: message, operation: text)
    }
}
