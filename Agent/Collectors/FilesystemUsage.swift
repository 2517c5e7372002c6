import Glibc

/// What statfs(2) says of a filesystem.
public struct FilesystemUsage: Sendable, Equatable {
    public var sizeBytes: Double
    public var freeBytes: Double
    /// Free to others than root.
    public var availableBytes: Double
    public var files: Double
    public var filesFree: Double

    public init(sizeBytes: Double, freeBytes: Double, availableBytes: Double, files: Double, filesFree: Double) {
        self.sizeBytes = sizeBytes
        self.freeBytes = freeBytes
        self.availableBytes = availableBytes
        self.files = files
        self.filesFree = filesFree
    }

    /// Asks the kernel; nil on an error. Hangs where the filesystem's server is gone.
    public static func read(_ path: String) -> FilesystemUsage? {
        // statvfs(3) is what Swift's Glibc module has; on Linux it passes statfs(2)'s counts on, in blocks of f_bsize.
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let block = Double(status.f_bsize)
        return FilesystemUsage(
            sizeBytes: Double(status.f_blocks) * block, freeBytes: Double(status.f_bfree) * block,
            availableBytes: Double(status.f_bavail) * block, files: Double(status.f_files),
            filesFree: Double(status.f_ffree))
    }
}
