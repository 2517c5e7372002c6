import Access
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

@Suite("Bearer tokens") struct TokenTests {
    let directory: TemporaryDirectory
    let store: AccessStore
    let time = ManualTimeSource()
    let acme = TenantID(unchecked: "acme")
    let other = TenantID(unchecked: "other")

    init() throws {
        directory = try TemporaryDirectory("access")
        store = try AccessStore(path: directory.file("access.sqlite"), now: time.now)
        try store.createTenant(acme, now: time.now)
        try store.createTenant(other, now: time.now)
    }

    @Test("a token opens its tenant with its role until it is revoked")
    func roundTrip() throws {
        for role in Role.allCases {
            let (token, record) = try store.createToken(role: role, tenant: acme, name: "n", now: time.now)
            #expect(token.text.hasPrefix("sbx_\(record.id)_"))
            let principal = try #require(try store.authenticate(token.text, now: time.now))
            #expect(principal == Principal(tokenID: record.id, role: role, tenant: acme))
            try store.revokeToken(record.id, of: acme, now: time.now)
            #expect(try store.authenticate(token.text, now: time.now) == nil)
        }
        #expect(try store.tokens(of: acme).count == 4)
        #expect(try store.tokens(of: other).isEmpty)
    }

    @Test("a token found good is admitted for a second without a look at the file, unless anything is written")
    func admitted() throws {
        let expiry = time.now.advanced(byMilliseconds: 1500)
        let (token, record) = try store.createToken(role: .analyst, tenant: acme, expiresAt: expiry, now: time.now)
        #expect(store.admitted(token.text, now: time.now) == nil)
        let principal = try store.authenticate(token.text, now: time.now)
        #expect(principal != nil && store.admitted(token.text, now: time.now) == principal)
        let other = try store.createToken(role: .admin, tenant: nil, now: time.now).token
        #expect(store.admitted(token.text, now: time.now) == nil)
        _ = try store.authenticate(token.text, now: time.now)
        // The id alone opens nothing.
        let mixed = other.text.replacing(other.id, with: token.id)
        #expect(store.admitted(mixed, now: time.now) == nil)
        time.advance(milliseconds: 1000)
        #expect(store.admitted(token.text, now: time.now) == nil)
        _ = try store.authenticate(token.text, now: time.now)
        #expect(try store.isValid(tokenID: record.id, now: time.now))
        time.advance(milliseconds: 500)
        #expect(store.admitted(token.text, now: time.now) == nil)
        #expect(try !store.isValid(tokenID: record.id, now: time.now))
        try store.revokeToken(other.id, of: nil, now: time.now)
        #expect(try !store.isValid(tokenID: other.id, now: time.now))
    }

    @Test("an expired, altered or cut token opens nothing")
    func wrong() throws {
        let expiry = time.now.advanced(byMilliseconds: 1000)
        let token = try store.createToken(role: .operator, tenant: acme, expiresAt: expiry, now: time.now).token
        let text = token.text
        #expect(try store.authenticate(text, now: time.now) != nil)
        time.advance(milliseconds: 1000)
        #expect(try store.authenticate(text, now: time.now) == nil)
        let fresh = try store.createToken(role: .operator, tenant: acme, now: time.now).token.text
        for cut in 0..<fresh.count { #expect(try store.authenticate(String(fresh.prefix(cut)), now: time.now) == nil) }
        for index in fresh.indices {
            var changed = fresh
            changed.replaceSubrange(index...index, with: fresh[index] == "b" ? "c" : "b")
            #expect(try store.authenticate(changed, now: time.now) == nil)
        }
        #expect(try store.authenticate(String(repeating: "sbx_", count: 10_000), now: time.now) == nil)
    }

    @Test("the file holds no secret")
    func hashed() throws {
        let token = try store.createToken(role: .admin, tenant: nil, now: time.now).token
        let secret = try #require(token.text.split(separator: "_", maxSplits: 2).last)
        for suffix in ["", "-wal"] {
            let path = directory.file("access.sqlite" + suffix)
            guard Files.exists(path) else { continue }
            let bytes = try Files.read(path)
            #expect(!Self.contains(bytes, Array(secret.utf8)))
            #expect(!Self.contains(bytes, token.secret))
        }
    }

    @Test("another tenant's token is not found, and only administrators span the installation")
    func scope() throws {
        let record = try store.createToken(role: .analyst, tenant: acme, now: time.now).record
        #expect(throws: AccessError.self) { try store.revokeToken(record.id, of: other, now: time.now) }
        #expect(try store.tokens(of: acme).first?.revokedAt == nil)
        #expect(throws: AccessError.self) { try store.createToken(role: .analyst, tenant: nil, now: time.now) }
        #expect(throws: AccessError.self) {
            try store.createToken(role: .analyst, tenant: TenantID(unchecked: "nobody"), now: time.now)
        }
        #expect(throws: AccessError.self) { try store.createTenant(acme, now: time.now) }
    }

    @Test("the last use is kept to the minute")
    func lastUse() throws {
        let token = try store.createToken(role: .operator, tenant: acme, now: time.now).token
        let first = time.now
        _ = try store.authenticate(token.text, now: time.now)
        time.advance(milliseconds: 59_999)
        _ = try store.authenticate(token.text, now: time.now)
        #expect(try store.tokens(of: acme).first?.lastUsedAt == first)
        time.advance(milliseconds: 1)
        _ = try store.authenticate(token.text, now: time.now)
        #expect(try store.tokens(of: acme).first?.lastUsedAt == time.now)
    }

    @Test("a damaged file is set aside and opens nothing")
    func damaged() throws {
        let path = directory.file("broken.sqlite")
        try directory.write([UInt8](repeating: 0x55, count: 8192), to: "broken.sqlite")
        let store = try AccessStore(path: path, now: time.now)
        #expect(store.quarantinedPath != nil)
        #expect(try store.tenants().isEmpty)
    }

    private static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        guard bytes.count >= part.count else { return false }
        return (0...(bytes.count - part.count)).contains { bytes[$0] == part[0] && bytes[$0...].starts(with: part) }
    }
}
