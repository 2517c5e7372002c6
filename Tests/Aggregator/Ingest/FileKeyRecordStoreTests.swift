import Ingest
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("key record files")
struct FileKeyRecordStoreTests {
    private let tenant = TenantID(unchecked: "acme")
    private let agent = AgentID(unchecked: "edge-01")
    private func payload(_ id: ID128) -> [UInt8] {
        let header = BatchHeader(
            kind: .key, lane: .live, agent: agent, epoch: .zero, sequence: 0, dataKeyID: id,
            firstTimestamp: .distantPast, lastTimestamp: .distantPast, recordCount: 1,
            clock: ClockReading(
                isSynchronized: true, errorBoundMilliseconds: 0, bootID: .zero, monotonicNanoseconds: 0),
            nonce: [UInt8](repeating: 0, count: 24))
        var bytes: [UInt8] = []
        header.encode(into: &bytes)
        return bytes + [UInt8](repeating: 7, count: 300)
    }
    private func day(_ number: Int64) -> Timestamp { Timestamp(seconds: number * 86_400 + 5) }

    @Test("records are there again after a restart, also behind a torn one")
    func restart() throws {
        let directory = try TemporaryDirectory("key-records")
        defer { directory.remove() }
        let ids = (1...4).map { ID128(high: 1, low: $0) }
        let store = FileKeyRecordStore(root: directory.path)
        for id in ids.prefix(2) { try store.store(payload(id), of: tenant, agent: agent, id: id, at: day(100)) }
        try store.store(payload(ids[2]), of: tenant, agent: agent, id: ids[2], at: day(101))
        try store.store(payload(ids[2]), of: tenant, agent: agent, id: ids[2], at: day(101))
        let path = directory.file("tenants/acme/keys/edge-01/100")
        try Files.write(Files.read(path) + [1, 2, 3], to: path)

        let again = FileKeyRecordStore(root: directory.path)
        for id in ids.prefix(3) { #expect(try again.load(of: tenant, agent: agent, id: id) == payload(id)) }
        #expect(try again.load(of: tenant, agent: agent, id: ids[3]) == nil)
        #expect(try again.load(of: tenant, agent: AgentID(unchecked: "edge-02"), id: ids[0]) == nil)
        try again.store(payload(ids[3]), of: tenant, agent: agent, id: ids[3], at: day(100))
        let third = FileKeyRecordStore(root: directory.path)
        for id in ids { #expect(try third.load(of: tenant, agent: agent, id: id) == payload(id)) }
    }

    @Test("a damaged record is not found, the ones before it are")
    func damage() throws {
        let directory = try TemporaryDirectory("key-records")
        defer { directory.remove() }
        let ids = (1...3).map { ID128(high: 1, low: $0) }
        let store = FileKeyRecordStore(root: directory.path)
        for id in ids { try store.store(payload(id), of: tenant, agent: agent, id: id, at: day(100)) }
        let path = directory.file("tenants/acme/keys/edge-01/100")
        var bytes = try Files.read(path)
        bytes[bytes.count / 2] ^= 1
        try Files.write(bytes, to: path)
        let again = FileKeyRecordStore(root: directory.path)
        #expect(try again.load(of: tenant, agent: agent, id: ids[0]) == payload(ids[0]))
        #expect(try again.load(of: tenant, agent: agent, id: ids[1]) == nil)
    }

    @Test("old days are removed")
    func removal() throws {
        let directory = try TemporaryDirectory("key-records")
        defer { directory.remove() }
        let store = FileKeyRecordStore(root: directory.path)
        let ids = [ID128(high: 1, low: 1), ID128(high: 1, low: 2)]
        try store.store(payload(ids[0]), of: tenant, agent: agent, id: ids[0], at: day(100))
        try store.store(payload(ids[1]), of: tenant, agent: agent, id: ids[1], at: day(180))
        try store.removeDays(before: 101)
        #expect(try store.load(of: tenant, agent: agent, id: ids[0]) == nil)
        #expect(try store.load(of: tenant, agent: agent, id: ids[1]) != nil)
        #expect(!Files.exists(directory.file("tenants/acme/keys/edge-01/100")))
    }

    @Test("an agent's keys of one day are bounded, also over a restart; the next day has room again")
    func bound() throws {
        let directory = try TemporaryDirectory("key-records")
        defer { directory.remove() }
        func id(_ number: Int) -> ID128 { ID128(high: 2, low: UInt64(number)) }
        var store = FileKeyRecordStore(root: directory.path)
        let most = FileKeyRecordStore.keysPerDayMax
        for number in 0..<most {
            try store.store(payload(id(number)), of: tenant, agent: agent, id: id(number), at: day(100))
        }
        for _ in 0..<2 {
            #expect(throws: FileKeyRecordStore.Refused.self) {
                try store.store(payload(id(most)), of: tenant, agent: agent, id: id(most), at: day(100))
            }
            #expect(store.refusedCount == 1)
            #expect(try store.load(of: tenant, agent: agent, id: id(most - 1)) != nil)
            store = FileKeyRecordStore(root: directory.path)
        }
        try store.store(payload(id(most)), of: tenant, agent: agent, id: id(most), at: day(101))
        #expect(try store.load(of: tenant, agent: agent, id: id(most)) != nil)
    }
}
