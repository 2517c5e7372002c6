import Glibc
package import Sources

/// Follows one log by its path over rotations: renamed and made anew, or copied and truncated.
///
/// After a rename the old file is read for one more turn, since whoever writes it opens the new one later; then the new
/// one is read from its start. A file that got shorter, or whose beginning changed, is read from its start.
package final class LogFile {
    /// What one call of ``read(_:)`` reads at most.
    static let turnBytesMax = 1 << 20
    private static let chunkBytes = 64 * 1024

    let path: String
    private var descriptor: Int32 = -1
    private var position: LogPosition
    private var splitter = LineSplitter()
    /// Where ``splitter`` began.
    private var base: UInt64 = 0
    private var readOffset: UInt64 = 0
    /// The path led elsewhere already in the turn before.
    private var isRotated = false
    /// Nothing is known of this log: it is read from its end on.
    private var isNew: Bool
    /// Files that vanished with lines that were not read.
    private var lostFiles = 0

    /// - Parameter kept: where an earlier run stopped.
    package init(path: String, kept: LogPosition?) {
        self.path = path
        let known = kept.flatMap { $0.isOf(path: path) ? $0 : nil }
        position = known ?? LogPosition(path: path, device: 0, inode: 0, offset: 0)
        isNew = known == nil
        if known != nil { resume() } else { open() }
        // A log that comes into being later is new from its first line.
        isNew = false
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The end of the last line taken.
    package var checkpoint: LogPosition? { descriptor >= 0 ? position : nil }

    package func takeDrops() -> DropCounts {
        var drops = DropCounts()
        drops.add(.tooLong, splitter.takeTooLong())
        drops.add(.rotatedAway, lostFiles)
        lostFiles = 0
        return drops
    }

    /// Reads on, ``turnBytesMax`` at most.
    /// - Returns: whether it came to the end of what there is.
    package func read(_ take: (UnsafeRawBufferPointer) -> Void) -> Bool {
        if descriptor < 0 { open() }
        guard descriptor >= 0 else { return true }
        if isReplaced { begin(at: 0) }
        var left = Self.turnBytesMax
        while left > 0 {
            let count = withUnsafeTemporaryAllocation(byteCount: Self.chunkBytes, alignment: 1) { chunk in
                let count = pread(descriptor, chunk.baseAddress, chunk.count, Int(readOffset))
                if count > 0 { splitter.add(UnsafeRawBufferPointer(rebasing: chunk[..<count]), take) }
                return count
            }
            guard count > 0 else { return endOfFile(take) }
            readOffset += UInt64(count)
            left -= count
            remember()
        }
        return false
    }

    private func endOfFile(_ take: (UnsafeRawBufferPointer) -> Void) -> Bool {
        var facts = stat()
        guard stat(path, &facts) == 0, !(facts.st_ino == position.inode && facts.st_dev == position.device) else {
            isRotated = false
            return true
        }
        guard isRotated else {
            isRotated = true
            return true
        }
        splitter.finish(take)
        close(descriptor)
        descriptor = -1
        isRotated = false
        open()
        return descriptor < 0
    }

    // MARK: files

    private func open() {
        guard let facts = openFile(path) else { return }
        var offset: UInt64 = 0
        var startsWithin = false
        if isNew {
            offset = UInt64(max(0, facts.st_size))
            var last: UInt8 = 0x0a
            if offset > 0 { _ = pread(descriptor, &last, 1, Int(offset) - 1) }
            startsWithin = last != 0x0a
        }
        begin(at: offset, startsWithin: startsWithin)
    }

    /// Goes on where an earlier run stopped, in the same file wherever it is now.
    private func resume() {
        let kept = position
        var paths = [path]
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        let name = String(path[(path.lastIndex(of: "/") ?? path.startIndex)...].dropFirst())
        if let directory = opendir(folder.isEmpty ? "/" : folder) {
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                guard UInt64(entry.pointee.d_ino) == kept.inode else { continue }
                let found = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if found != name { paths.append("\(folder)/\(found)") }
            }
        }
        for candidate in paths {
            guard let facts = openFile(candidate) else { continue }
            if UInt64(facts.st_ino) == kept.inode, UInt64(facts.st_dev) == kept.device,
                UInt64(max(0, facts.st_size)) >= kept.offset, kept.matches(beginning: beginning())
            {
                return begin(at: kept.offset)
            }
            close(descriptor)
            descriptor = -1
        }
        lostFiles += 1
        isNew = false
        open()
    }

    private func openFile(_ path: String) -> stat? {
        // Not a FIFO or a device: reading must not block.
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            descriptor = -1
            return nil
        }
        position.device = UInt64(facts.st_dev)
        position.inode = UInt64(facts.st_ino)
        return facts
    }

    private func begin(at offset: UInt64, startsWithin: Bool = false) {
        splitter = LineSplitter(startsWithin: startsWithin)
        base = offset
        readOffset = offset
        remember()
    }

    private func remember() {
        position.offset = base + UInt64(splitter.consumedBytes)
        let length = min(Int(clamping: position.offset), LogPosition.beginningBytesMax)
        guard length != position.beginningLength || readOffset == base else { return }
        position = LogPosition(
            path: path, device: position.device, inode: position.inode, offset: position.offset,
            beginning: beginning().prefix(length))
    }

    private var isReplaced: Bool {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { return false }
        return UInt64(max(0, facts.st_size)) < readOffset || !position.matches(beginning: beginning())
    }

    private func beginning() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: LogPosition.beginningBytesMax)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return Array(bytes[..<max(0, count)])
    }
}
