import Synchronization
import WireFormat

/// Chunk groups that were read lately, opened: reading one costs a walk through the database and its directory's
/// validation, about 1 ms for 1,000 series, and dashboards ask again and again.
///
/// Bounded in bytes over all tenants that share it; beyond the bound those not asked for longest go. Thread-safe.
package final class ChunkCache: Sendable {
    /// `chunk_cache_bytes` (32 MiB).
    package static let bytesMaxDefault = 32 << 20

    /// Groups never change under one key: a file's number is new with every opening.
    struct Key: Hashable, Sendable {
        let file: UInt64
        let group: Int64
    }

    private struct Entry {
        let group: CachedChunkGroup
        let bytes: Int
        var use: UInt64
    }
    private struct State {
        var entries: [Key: Entry] = [:]
        var bytes = 0
        var clock: UInt64 = 0
    }

    private let bytesMax: Int
    private let state = Mutex(State())

    package init(bytesMax: Int = bytesMaxDefault) { self.bytesMax = bytesMax }

    subscript(key: Key) -> CachedChunkGroup? {
        state.withLock { state in
            state.clock += 1
            state.entries[key]?.use = state.clock
            return state.entries[key]?.group
        }
    }

    func insert(_ group: CachedChunkGroup, _ key: Key) {
        let bytes = group.opened.costBytes
        guard bytes <= bytesMax / 4 else { return }
        state.withLock { state in
            state.clock += 1
            state.bytes += bytes - (state.entries[key]?.bytes ?? 0)
            state.entries[key] = Entry(group: group, bytes: bytes, use: state.clock)
            guard state.bytes > bytesMax else { return }
            // A quarter at once, so that the walk over all entries is rare.
            for (key, entry) in state.entries.sorted(by: { $0.value.use < $1.value.use }) {
                guard state.bytes > bytesMax / 4 * 3 else { break }
                state.entries[key] = nil
                state.bytes -= entry.bytes
            }
        }
    }

    /// Bytes held, about.
    package var bytes: Int { state.withLock { $0.bytes } }
}

/// An opened group and those of its frames that were inflated. Thread-safe.
final class CachedChunkGroup: InflatedFrames, Sendable {
    let opened: OpenedChunkGroup
    private let frames = Mutex<[Int: [UInt8]]>([:])

    init(_ opened: OpenedChunkGroup) { self.opened = opened }

    func frame(_ index: Int) -> [UInt8]? { frames.withLock { $0[index] } }
    func keep(_ bytes: [UInt8], as index: Int) { frames.withLock { $0[index] = bytes } }
}
