import Glibc

/// The one buffer into which a collector thread reads every kernel file, and the reads themselves.
///
/// Starts at 16 KiB and grows, for good, to the largest file met, up to ``bytesMax``; what lies beyond is
/// not read and counted. One thread at a time.
final class ReadBuffer {
    /// /proc/stat of a machine with thousands of interrupts, the largest file read, stays below.
    static let bytesMax = 1 << 20
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    /// Files that were longer than ``bytesMax``.
    private(set) var truncations: UInt64 = 0

    init() {
        capacity = 16_384
        storage = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { storage.deallocate() }

    /// The whole content of an open file from its start; nil (errno is set) when the kernel refuses.
    /// - Complexity: one pread per page of the file and one that finds the end, which costs a fraction of a microsecond.
    func fill(from descriptor: Int32) -> Bytes? {
        var count = 0
        while true {
            let room = capacity - count
            let result = pread(descriptor, storage + count, room, off_t(count))
            if result < 0 {
                if errno == EINTR { continue }
                return nil
            }
            count += result
            // Only an empty read is the end: files of many records (seq_file) come a page at a time.
            if result == 0 { break }
            if capacity - count < 8192 {
                guard capacity < Self.bytesMax else {
                    truncations += 1
                    break
                }
                grow(keeping: count)
            }
        }
        return Bytes(start: storage, count: count)
    }

    /// The whole content of a file that is opened for this once; nil when it cannot be opened or read.
    func fill(path: String) -> Bytes? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return fill(from: descriptor)
    }

    private func grow(keeping count: Int) {
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
        larger.copyMemory(from: storage, byteCount: count)
        storage.deallocate()
        storage = larger
        capacity *= 2
    }
}
