import Glibc

/// A kernel file that stays open: read again and again with `pread(…, 0)`, which procfs, sysfs and
/// cgroupfs answer afresh each time, so that a tick costs one system call per file.
///
/// Opened at the first read; closed and opened again at the next one after an error (a device that went away
/// and came back). One thread at a time.
final class SourceFile {
    let path: String
    private var descriptor: Int32 = -1

    init(_ path: String) { self.path = path }

    deinit { close() }

    /// - Throws: ``CollectorError/unavailable(_:)`` when the file does not exist, ``CollectorError/unreadable(_:_:)``
    ///   for every other refusal.
    func read(into buffer: ReadBuffer) throws(CollectorError) -> Bytes {
        if descriptor < 0 {
            descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            if descriptor < 0 { throw CollectorError(path, code: errno) }
        }
        if let bytes = buffer.fill(from: descriptor) { return bytes }
        let code = errno
        close()
        throw CollectorError(path, code: code)
    }

    func close() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }
}
