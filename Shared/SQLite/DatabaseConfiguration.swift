/// How a database file is opened. Sizes are bounds; see https://www.sqlite.org/pragma.html for each.
public struct DatabaseConfiguration: Hashable, Sendable {
    public enum Access: Hashable, Sendable {
        /// Created when missing.
        case readWrite
        /// For readers beside a writer; nothing is created and no pragma that writes is given.
        case readOnly
    }
    /// What a commit waits for. In WAL mode `normal` may lose the last commits in a power cut, never consistency;
    /// neither loses anything when only the process dies.
    public enum Synchronous: Int32, Hashable, Sendable {
        case normal = 1
        case full = 2
    }
    public enum AutoVacuum: Int32, Hashable, Sendable {
        case none = 0
        /// Free pages are given back by `Database.incrementalVacuum`.
        case incremental = 2
    }

    public var access: Access
    /// Of new files, bytes (a power of two, 512 to 65,536). An existing file keeps its own.
    public var pageSizeBytes: Int
    /// Of new files.
    public var autoVacuum: AutoVacuum
    /// Bound on the page cache of this connection, bytes.
    public var cacheBytes: Int
    /// What transactions use that do not say otherwise.
    public var synchronous: Synchronous
    /// How long a call waits for another connection's lock before it fails as busy.
    public var busyTimeoutMilliseconds: Int32
    /// A commit that leaves more pages than this in the WAL runs a passive checkpoint; 0 turns that off.
    public var walAutoCheckpointPages: Int32
    /// The WAL file is cut back to this after a checkpoint has emptied it, bytes; negative: never.
    public var journalSizeLimitBytes: Int64
    /// Holds the file's lock until closing; then there is no -shm file, and no other process can open it.
    public var isExclusive: Bool
    /// Of new files; the -wal and -shm files follow.
    public var fileMode: UInt32

    public init(
        access: Access = .readWrite, pageSizeBytes: Int = 4096, autoVacuum: AutoVacuum = .none,
        cacheBytes: Int = 2 << 20, synchronous: Synchronous = .normal, busyTimeoutMilliseconds: Int32 = 5000,
        walAutoCheckpointPages: Int32 = 1000, journalSizeLimitBytes: Int64 = 4 << 20, isExclusive: Bool = false,
        fileMode: UInt32 = 0o600
    ) {
        self.access = access
        self.pageSizeBytes = pageSizeBytes
        self.autoVacuum = autoVacuum
        self.cacheBytes = cacheBytes
        self.synchronous = synchronous
        self.busyTimeoutMilliseconds = busyTimeoutMilliseconds
        self.walAutoCheckpointPages = walAutoCheckpointPages
        self.journalSizeLimitBytes = journalSizeLimitBytes
        self.isExclusive = isExclusive
        self.fileMode = fileMode
    }

    /// A reader beside a writer.
    public static func readOnly(cacheBytes: Int = 2 << 20) -> Self { Self(access: .readOnly, cacheBytes: cacheBytes) }
}
