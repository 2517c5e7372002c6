import CSQLite

/// What SQLite refused, with its own codes, and what was being done.
public struct SQLiteError: Error, Hashable, Sendable, CustomStringConvertible {
    /// SQLite's primary result codes that callers tell apart; others keep their number.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }
        public static let error = Code(rawValue: SQLITE_ERROR)
        public static let busy = Code(rawValue: SQLITE_BUSY)
        public static let locked = Code(rawValue: SQLITE_LOCKED)
        public static let outOfMemory = Code(rawValue: SQLITE_NOMEM)
        public static let readOnly = Code(rawValue: SQLITE_READONLY)
        public static let interrupted = Code(rawValue: SQLITE_INTERRUPT)
        public static let inputOutput = Code(rawValue: SQLITE_IOERR)
        public static let corrupt = Code(rawValue: SQLITE_CORRUPT)
        public static let full = Code(rawValue: SQLITE_FULL)
        public static let cannotOpen = Code(rawValue: SQLITE_CANTOPEN)
        public static let tooBig = Code(rawValue: SQLITE_TOOBIG)
        public static let constraint = Code(rawValue: SQLITE_CONSTRAINT)
        public static let misuse = Code(rawValue: SQLITE_MISUSE)
        public static let notADatabase = Code(rawValue: SQLITE_NOTADB)
    }

    public var code: Code
    /// https://www.sqlite.org/rescode.html, e.g. 522 for a short read.
    public var extendedCode: Int32
    /// SQLite's own words.
    public var message: String
    /// What was tried: the SQL text or the call, with the file.
    public var operation: String

    public init(extendedCode: Int32, message: String, operation: String) {
        self.code = Code(rawValue: extendedCode & 0xff)
        self.extendedCode = extendedCode
        self.message = message
        self.operation = operation
    }

    /// Whether the file's content is damaged, so that only setting it aside helps. Reads that the device or the
    /// file system cannot satisfy count as damage.
    public var isDamage: Bool {
        code == .corrupt || code == .notADatabase || Self.damagedReads.contains(extendedCode)
    }

    /// Whether the medium has no room, or `Database.pagesMax` is reached.
    public var isFull: Bool { code == .full }

    /// What to do about it; empty when there is nothing general to say.
    public var advice: String {
        switch code {
        case .busy, .locked:
            "another connection holds the lock: end the other process or raise the busy timeout"
        case .readOnly: "make the file and its directory writable for this user"
        case .cannotOpen: "check that the directory exists and that this user may write in it"
        case .full: "free space on the file system; work resumes by itself"
        case .corrupt, .notADatabase: "the file is damaged or no database: it has to be set aside and rebuilt"
        case .inputOutput: "check the device and the kernel log"
        case .misuse: "a programming error: report it with this text"
        default: ""
        }
    }

    public var description: String {
        let hint = advice.isEmpty ? "" : "; \(advice)"
        return "SQLite \(code.rawValue)/\(extendedCode) \(message) (\(operation))\(hint)"
    }

    /// IOERR_READ, IOERR_SHORT_READ, IOERR_DATA (checksum) and IOERR_CORRUPTFS.
    private static let damagedReads: Set<Int32> = [1, 2, 32, 33].reduce(into: []) { $0.insert(SQLITE_IOERR | $1 << 8) }
}
