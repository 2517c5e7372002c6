import CSodium
public import Telemetry
public import WireFormat

/// A PUBLISH payload: header in clear, then the framed and padded body under XChaCha20-Poly1305.
///
/// Associated data: the context string, the tenant (each with a length byte before it) and the header's
/// bytes; agent and origin lane stand in the header. So an envelope opens only where it belongs.
public enum SealedBatch {
    static let context = "stagebox/1 batch"
    public static let tagBytes = 16

    /// The payload's size for a plaintext of `count` bytes.
    public static func sealedBytes(plaintext count: Int, agent: AgentID) -> Int {
        BatchHeader.fixedBytes + agent.rawValue.utf8.count + BodyFrame.framedBytes(count) + tagBytes
    }

    /// Appends the sealed batch to `payload`; allocates nothing else once `payload` has the room.
    /// - Precondition: the header's nonce is fresh and random, its data-key id that of `key`.
    public static func seal(
        header: BatchHeader, tenant: TenantID, plaintext: UnsafeRawBufferPointer, key: DataKey,
        into payload: inout [UInt8]
    ) {
        precondition(header.dataKeyID == key.id, "header names another data key")
        let start = payload.count
        payload.reserveCapacity(start + sealedBytes(plaintext: plaintext.count, agent: header.agent))
        header.encode(into: &payload)
        let bodyStart = payload.count
        BodyFrame.append(plaintext, to: &payload)
        let bodyEnd = payload.count
        payload.append(contentsOf: repeatElement(0, count: tagBytes))
        payload.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            let headerBytes = UnsafeRawBufferPointer(rebasing: buffer[start..<bodyStart])
            withAssociatedData(tenant, headerBytes) { associated, count in
                // Encrypting in place is allowed (libsodium, "combined and detached mode").
                _ = withExtendedLifetime(key.secret) {
                    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
                        base + bodyStart, base + bodyEnd, nil, base + bodyStart, UInt64(bodyEnd - bodyStart),
                        associated, UInt64(count), nil, header.nonce, key.secret.pointer)
                }
            }
        }
    }

    public static func seal(header: BatchHeader, tenant: TenantID, plaintext: [UInt8], key: DataKey) -> [UInt8] {
        var payload: [UInt8] = []
        plaintext.withUnsafeBytes { seal(header: header, tenant: tenant, plaintext: $0, key: key, into: &payload) }
        return payload
    }

    /// Opens the body of `payload`, whose decoded header the caller already has.
    /// - Returns: the plaintext, padding removed.
    public static func open(
        _ payload: [UInt8], header: BatchHeader, tenant: TenantID, key: DataKey
    ) throws(SealingError) -> [UInt8] {
        Sodium.ready()
        let bodyStart = header.encodedBytes
        guard payload.count >= bodyStart + BodyFrame.bucketBytesMin + tagBytes else {
            throw .malformed(.truncated("body"))
        }
        let framed = payload.count - bodyStart - tagBytes
        var failure: SealingError?
        let plain = [UInt8](unsafeUninitializedCapacity: framed) { output, initialized in
            initialized = 0
            let isAuthentic = payload.withUnsafeBytes { buffer -> Bool in
                guard let base = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
                let headerBytes = UnsafeRawBufferPointer(rebasing: buffer[..<bodyStart])
                return withAssociatedData(tenant, headerBytes) { associated, count in
                    withExtendedLifetime(key.secret) {
                        crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
                            output.baseAddress, nil, base + bodyStart, UInt64(framed), base + bodyStart + framed,
                            associated, UInt64(count), header.nonce, key.secret.pointer) == 0
                    }
                }
            }
            guard isAuthentic, let base = output.baseAddress else {
                failure = .notAuthentic
                return
            }
            let frame = UnsafeRawBufferPointer(start: base, count: framed)
            do throws(WireError) {
                let count = try BodyFrame.plaintextBytes(of: frame)
                UnsafeMutableRawPointer(base).copyMemory(from: base + BodyFrame.lengthBytes, byteCount: count)
                initialized = count
            } catch {
                failure = .malformed(error)
            }
        }
        if let failure { throw failure }
        return plain
    }

    /// Context, tenant and header, contiguous on the stack: at most 16 + 1 + 64 + 1 + 185 bytes.
    private static func withAssociatedData<Result>(
        _ tenant: TenantID, _ header: UnsafeRawBufferPointer, _ body: (UnsafePointer<UInt8>, Int) -> Result
    ) -> Result {
        let tenantBytes = tenant.rawValue.utf8
        let count = 2 + context.utf8.count + tenantBytes.count + header.count
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { scratch in
            var offset = 0
            func put(_ bytes: some Collection<UInt8>) {
                for byte in bytes {
                    scratch.initializeElement(at: offset, to: byte)
                    offset += 1
                }
            }
            put(CollectionOfOne(UInt8(context.utf8.count)))
            put(context.utf8)
            put(CollectionOfOne(UInt8(tenantBytes.count)))
            put(tenantBytes)
            put(header)
            guard let base = scratch.baseAddress else { preconditionFailure("no scratch memory") }
            return body(UnsafePointer(base), count)
        }
    }
}
