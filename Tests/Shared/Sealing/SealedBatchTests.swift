import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

/// Builds what the tests of this folder seal.
enum SealingFixture {
    static let tenant = TenantID(unchecked: "acme")
    static let agent = AgentID(unchecked: "edge-01")
    static let clock = ClockReading(
        isSynchronized: true, errorBoundMilliseconds: 3, bootID: ID128(high: 1, low: 2),
        monotonicNanoseconds: 7_000_000_000)

    static func header(
        _ key: DataKey, kind: BatchKind = .metrics, sequence: UInt64 = 1, agent: AgentID = agent
    ) -> BatchHeader {
        BatchHeader(
            kind: kind, lane: .live, agent: agent, epoch: ID128(high: 3, low: 4), sequence: sequence,
            dataKeyID: key.id, firstTimestamp: Timestamp(seconds: 10), lastTimestamp: Timestamp(seconds: 20),
            recordCount: 5, clock: clock, nonce: RandomBytes.nonce())
    }

    static func bundle(version: UInt64 = 1, _ pairs: [(BoxKeyPair, from: Int64, until: Int64, destroy: Int64)])
        -> KeyBundle
    {
        KeyBundle(
            version: version, issuedAt: Timestamp(seconds: 0), expiresAt: Timestamp(seconds: 1_000_000),
            recipients: pairs.map {
                KeyBundle.Recipient(
                    publicKey: $0.0.publicKey, useFrom: Timestamp(seconds: $0.from),
                    useUntil: Timestamp(seconds: $0.until),
                    destroyAfter: Timestamp(seconds: $0.destroy))
            }, roleList: [])
    }
}

@Suite("sealed batches")
struct SealedBatchTests {
    @Test("what is sealed opens to the same bytes", arguments: [0, 1, 59, 60, 61, 1000, 65_536])
    func roundTrip(size: Int) throws {
        let key = DataKey()
        let plain = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let header = SealingFixture.header(key)
        let payload = SealedBatch.seal(header: header, tenant: SealingFixture.tenant, plaintext: plain, key: key)
        #expect(payload.count == SealedBatch.sealedBytes(plaintext: size, agent: header.agent))
        let decoded = try BatchHeader(decodingPrefixOf: payload)
        #expect(decoded == header)
        #expect(try SealedBatch.open(payload, header: decoded, tenant: SealingFixture.tenant, key: key) == plain)
    }

    @Test("a change of any byte keeps it from opening")
    func everyByteIsAuthenticated() throws {
        let key = DataKey()
        let payload = SealedBatch.seal(
            header: SealingFixture.header(key), tenant: SealingFixture.tenant, plaintext: [1, 2, 3], key: key)
        for index in payload.indices {
            var changed = payload
            changed[index] ^= 1
            guard let header = try? BatchHeader(decodingPrefixOf: changed) else { continue }
            #expect(throws: SealingError.self, "byte \(index)") {
                try SealedBatch.open(changed, header: header, tenant: SealingFixture.tenant, key: key)
            }
        }
    }

    @Test("it opens under no other tenant, key or length")
    func contexts() throws {
        let key = DataKey()
        let header = SealingFixture.header(key)
        let payload = SealedBatch.seal(header: header, tenant: SealingFixture.tenant, plaintext: [9], key: key)
        #expect(throws: SealingError.notAuthentic) {
            try SealedBatch.open(payload, header: header, tenant: TenantID(unchecked: "other"), key: key)
        }
        #expect(throws: SealingError.notAuthentic) {
            try SealedBatch.open(payload, header: header, tenant: SealingFixture.tenant, key: DataKey())
        }
        for size in 0..<payload.count {
            #expect(throws: (any Error).self) {
                let cut = Array(payload.prefix(size))
                _ = try SealedBatch.open(
                    cut, header: BatchHeader(decodingPrefixOf: cut), tenant: SealingFixture.tenant, key: key)
            }
        }
    }

    @Test("sealing appends to what stands in the buffer")
    func appends() throws {
        let key = DataKey()
        var payload: [UInt8] = [42]
        [UInt8]([1, 2]).withUnsafeBytes {
            SealedBatch.seal(
                header: SealingFixture.header(key), tenant: SealingFixture.tenant, plaintext: $0, key: key,
                into: &payload)
        }
        #expect(payload[0] == 42)
        let batch = Array(payload.dropFirst())
        let header = try BatchHeader(decodingPrefixOf: batch)
        #expect(try SealedBatch.open(batch, header: header, tenant: SealingFixture.tenant, key: key) == [1, 2])
    }
}
