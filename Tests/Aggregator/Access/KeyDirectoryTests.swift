import Access
import Glibc
import RuntimeSupport
import Sealing
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Key directory") struct KeyDirectoryTests {
    let directory: TemporaryDirectory
    let time = ManualTimeSource()
    init() throws { directory = try TemporaryDirectory("keys") }

    @Test("keys are there 35 days ahead, survive a restart and are erased when due")
    func lifecycle() throws {
        let path = directory.file("keys")
        let first = try KeyDirectory(path: path, now: time.now)
        let bundle = first.bundle
        let ahead = try #require(bundle.recipients.last).useUntil.milliseconds(since: time.now)
        #expect(ahead >= 35 * 86_400_000)
        #expect(bundle.recipients.contains { $0.useFrom <= time.now && time.now < $0.useUntil })
        let again = try KeyDirectory(path: path, now: time.now)
        #expect(again.bundle == bundle && again.rootHash == first.rootHash && again.keyRing.counts.pairs == 37)

        time.advance(milliseconds: 86_400_000)
        #expect(try again.rotate(now: time.now))
        #expect(again.bundleVersion == bundle.version + 1 && again.bundle.recipients.count == 38)
        #expect(try !again.rotate(now: time.now))

        let oldest = try #require(bundle.recipients.first)
        let file = "\(path)/bundle-\(oldest.useFrom.milliseconds / 86_400_000).key"
        #expect(Files.exists(file))
        time.advance(milliseconds: oldest.destroyAfter.milliseconds(since: time.now))
        try again.rotate(now: time.now)
        #expect(!Files.exists(file))
        #expect(!again.bundle.recipients.contains(oldest))
        let record = try DataKey().record(for: [oldest], at: time.now)
        #expect(throws: KeyRing.Refusal.destroyed) {
            try again.keyRing.open(record, tenant: TenantID(unchecked: "a"), agent: AgentID(unchecked: "b"))
        }
    }

    @Test("a bundle that does not read is set aside and signed anew: same keys, a higher version, no key lost")
    func damagedBundle() throws {
        let path = directory.file("keys")
        let first = try KeyDirectory(path: path, now: time.now)
        #expect(first.bundleDamage == nil)
        let record = try DataKey().record(for: [try #require(first.bundle.recipients.first)], at: time.now)
        for damage in [[UInt8](), [1, 2, 3], Array(first.signedBundle.dropLast())] {
            try SecretFile.write(damage, to: "\(path)/key-bundle.signed")
            let again = try KeyDirectory(path: path, now: time.now)
            #expect(again.bundleDamage?.contains("key-bundle.signed.damaged") == true)
            #expect(again.bundle.recipients == first.bundle.recipients)
            #expect(again.bundleVersion > first.bundleVersion && again.rootHash == first.rootHash)
            _ = try again.keyRing.open(
                record, tenant: TenantID(unchecked: "a"), agent: AgentID(unchecked: "b"))
            #expect(Files.exists("\(path)/key-bundle.signed.damaged"))
            #expect(try KeyDirectory(path: path, now: time.now).bundleDamage == nil)
        }
    }

    @Test("private files are for their owner only")
    func modes() throws {
        let path = directory.file("keys")
        _ = try KeyDirectory(path: path, now: time.now)
        for name in ["root.key", "certificate.key", "acknowledgement.key"] {
            var status = stat()
            #expect(stat("\(path)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
        #expect(chmod("\(path)/root.key", 0o644) == 0)
        #expect(chmod("\(path)/bundle.key", 0o644) == 0)
        #expect(throws: SealingError.self) { try KeyDirectory(path: path, now: time.now) }
    }

    @Test("without a root nothing is invented")
    func noRoot() throws {
        #expect(throws: AccessError.self) {
            try KeyDirectory(path: directory.file("keys"), now: time.now, createsRoot: false)
        }
    }
}
