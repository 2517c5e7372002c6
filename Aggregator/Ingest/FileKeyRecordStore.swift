import Glibc
import Sealing
import Synchronization
package import Telemetry
import WireFormat

/// A system call that failed on a file of ingest.
package struct IngestFileError: Error, CustomStringConvertible {
    package let call: String
    package let path: String
    package let code: Int32
    package var description: String { "\(call) \(path): \(String(cString: strerror(code)))" }
}

/// `tenants/<tenant>/keys/<agent>/<day>`: the key batches of one agent that arrived on one day (since 1970).
///
/// A file is a sequence of frames: u32 length (LE), payload, BLAKE2b-128 of the payload. A torn last frame
/// is cut off before the next one is appended; nothing is fsynced, see ``KeyRecordStore``. An agent makes about 24 keys
/// a day of some 400 bytes each, so the index of one agent, kept for the ``agentsIndexedMax`` used last, is small.
package final class FileKeyRecordStore: KeyRecordStore {
    package static let agentsIndexedMax = 4096
    /// Of one agent; beyond it the oldest day's file is removed.
    package static let daysMax = 80
    package static let frameBytesMax = 16 * 1024
    /// Of one agent and day; further ones are refused and counted. Their agent sends them again after a restart.
    package static let keysPerDayMax = 1024

    /// A key record beyond ``keysPerDayMax``.
    package struct Refused: Error {}

    private struct Owner: Hashable {
        var tenant: TenantID
        var agent: AgentID
    }
    private struct Place {
        var day: Int64
        var offset: Int
        var count: Int
    }
    private struct Index {
        var places: [DataKeyID: Place] = [:]
        /// The length of the good part of each day's file, and how many records it has.
        var lengths: [Int64: Int] = [:]
        var counts: [Int64: Int] = [:]
        var lastUse: UInt64 = 0
    }
    private struct State {
        var indexes: [Owner: Index] = [:]
        var uses: UInt64 = 0
        var refused: UInt64 = 0
    }

    /// The folder that holds `tenants/`.
    private let root: String
    private let state = Mutex(State())

    package init(root: String) { self.root = root }

    /// Records beyond ``keysPerDayMax`` since the start.
    package var refusedCount: UInt64 { state.withLock { $0.refused } }

    /// - Throws: ``Refused``; ``IngestFileError``.
    package func store(
        _ payload: [UInt8], of tenant: TenantID, agent: AgentID, id: DataKeyID, at time: Timestamp
    ) throws {
        precondition(payload.count <= Self.frameBytesMax, "key batch of \(payload.count) bytes")
        let owner = Owner(tenant: tenant, agent: agent)
        try state.withLock { state in
            var index = try indexed(owner, &state)
            guard index.places[id] == nil else { return }
            let day = time.milliseconds / 86_400_000
            guard index.counts[day, default: 0] < Self.keysPerDayMax else {
                state.refused += 1
                throw Refused()
            }
            let offset = index.lengths[day] ?? 0
            var frame = ByteWriter(reserving: payload.count + 20)
            frame.write(littleEndian: UInt32(payload.count))
            frame.write(payload)
            frame.write(Hash.blake2b128(payload))
            try append(frame.bytes, at: offset, path(owner, day))
            index.places[id] = Place(day: day, offset: offset + 4, count: payload.count)
            index.lengths[day] = offset + frame.bytes.count
            index.counts[day, default: 0] += 1
            state.indexes[owner] = index
        }
    }

    package func load(of tenant: TenantID, agent: AgentID, id: DataKeyID) throws -> [UInt8]? {
        let owner = Owner(tenant: tenant, agent: agent)
        return try state.withLock { state in
            guard let place = try indexed(owner, &state).places[id] else { return nil }
            let bytes = try read(path(owner, place.day))
            guard place.offset + place.count <= bytes.count else { return nil }
            return Array(bytes[place.offset..<place.offset + place.count])
        }
    }

    /// Removes every agent's files of days before `day`: by then every recipient of their keys is destroyed.
    /// - Complexity: O(files); holds up openers one agent at a time.
    package func removeDays(before day: Int64) throws {
        for tenant in try names(in: "\(root)/tenants").compactMap(TenantID.init(rawValue:)) {
            for agent in try names(in: "\(root)/tenants/\(tenant)/keys").compactMap(AgentID.init(rawValue:)) {
                try removeDays(before: day, Owner(tenant: tenant, agent: agent))
            }
        }
    }

    private func removeDays(before day: Int64, _ owner: Owner) throws {
        try state.withLock { state in
            for old in try names(in: folder(owner)).compactMap({ Int64($0) }) where old < day {
                unlink(path(owner, old))
                state.indexes[owner]?.lengths[old] = nil
                state.indexes[owner]?.counts[old] = nil
            }
            if let places = state.indexes[owner]?.places, places.contains(where: { $0.value.day < day }) {
                state.indexes[owner]?.places = places.filter { $0.value.day >= day }
            }
        }
    }

    private func folder(_ owner: Owner) -> String {
        "\(root)/tenants/\(owner.tenant.rawValue)/keys/\(owner.agent.rawValue)"
    }
    private func path(_ owner: Owner, _ day: Int64) -> String { "\(folder(owner))/\(day)" }

    private func indexed(_ owner: Owner, _ state: inout State) throws -> Index {
        state.uses &+= 1
        if var index = state.indexes[owner] {
            index.lastUse = state.uses
            state.indexes[owner] = index
            return index
        }
        if state.indexes.count >= Self.agentsIndexedMax {
            let oldest = state.indexes.min { $0.value.lastUse < $1.value.lastUse }
            if let oldest { state.indexes[oldest.key] = nil }
        }
        var index = Index(lastUse: state.uses)
        for day in try days(owner) { try scan(owner, day, into: &index) }
        state.indexes[owner] = index
        return index
    }

    private func names(in folder: String) throws -> [String] {
        guard let directory = opendir(folder) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw IngestFileError(call: "opendir", path: folder, code: errno)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    private func days(_ owner: Owner) throws -> [Int64] {
        let days = try names(in: folder(owner)).compactMap { Int64($0) }.sorted()
        for old in days.dropLast(Self.daysMax) { unlink(path(owner, old)) }
        return days.suffix(Self.daysMax)
    }

    /// Stops at the first frame that is not whole.
    private func scan(_ owner: Owner, _ day: Int64, into index: inout Index) throws {
        let bytes = try read(path(owner, day))
        var offset = 0
        while bytes.count - offset >= 20 {
            let count = bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
            guard count <= Self.frameBytesMax, bytes.count - offset >= 20 + count else { break }
            let payload = Array(bytes[offset + 4..<offset + 4 + count])
            guard Hash.blake2b128(payload).bytes.elementsEqual(bytes[(offset + 4 + count)..<(offset + 20 + count)]),
                let header = try? BatchHeader(decodingPrefixOf: payload)  // a frame that is no batch ends the scan
            else { break }
            index.places[header.dataKeyID] = Place(day: day, offset: offset + 4, count: count)
            index.counts[day, default: 0] += 1
            offset += 20 + count
        }
        index.lengths[day] = offset
    }

    private func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw IngestFileError(call: "open", path: path, code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw IngestFileError(call: "read", path: path, code: errno) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    private func append(_ frame: [UInt8], at offset: Int, _ path: String) throws {
        try makeFolders(of: path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw IngestFileError(call: "open", path: path, code: errno) }
        defer { close(descriptor) }
        guard ftruncate(descriptor, off_t(offset)) == 0 else {
            throw IngestFileError(call: "ftruncate", path: path, code: errno)
        }
        guard pwrite(descriptor, frame, frame.count, off_t(offset)) == frame.count else {
            throw IngestFileError(call: "pwrite", path: path, code: errno)
        }
    }

    private func makeFolders(of path: String) throws {
        let parts = path.split(separator: "/").dropLast()
        guard var folder = path.hasPrefix("/") ? "" : parts.first.map(String.init) else { return }
        for part in path.hasPrefix("/") ? parts : parts.dropFirst() {
            folder += "/\(part)"
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
                throw IngestFileError(call: "mkdir", path: folder, code: errno)
            }
        }
    }
}
