import Glibc
package import Sealing
import Synchronization
package import Telemetry
package import WireFormat

/// The keys of one installation, in a directory of 0600 files that only the aggregator reads:
///
/// | file | what |
/// | --- | --- |
/// | `root.key` | the root's Ed25519 seed (single-machine mode; else kept offline and absent here) |
/// | `<role>.key` | the role keys' seeds: certificate, bundle, manifest, command, acknowledgement |
/// | `role-list.signed` | the root's signed role list |
/// | `bundle-<day>.key` | the X25519 private half of one day (days since 1970), erased at destroy-after |
/// | `key-bundle.signed` | the current signed bundle |
/// | `revoked` | serials of revoked certificates, one a line |
///
/// Thread-safe. Private halves go into `keyRing`; nothing of them is ever copied into SQLite.
package final class KeyDirectory: Sendable {
    /// Days of public keys published ahead.
    package static let daysAhead: Int64 = 35
    static let dayMilliseconds: Int64 = 86_400_000
    static let roles: [(role: RoleList.Role, file: String)] = [
        (.certificate, "certificate.key"), (.bundle, "bundle.key"), (.manifest, "manifest.key"),
        (.command, "command.key"), (.acknowledgement, "acknowledgement.key"),
    ]

    struct State {
        var bundle: KeyBundle
        var signedBundle: [UInt8]
    }

    package let path: String
    package let keyRing: KeyRing
    package let roleList: RoleList
    package let signedRoleList: [UInt8]
    /// What agents pin.
    package var rootHash: ID256 { Hash.blake2b256(roleList.root.bytes) }
    private let signers: [RoleList.Role: SigningKey]
    /// How long an agent's backlog may wait: a key's destroy-after is its use-until plus this.
    private let backlogMilliseconds: Int64
    private let state: Mutex<State>
    /// What became of a bundle that did not read at the start; nil: it did.
    package let bundleDamage: String?

    /// Opens the directory, making it and every missing key when `createsRoot`.
    /// - Throws: ``AccessError`` when the role list is missing without a root to sign one, or does not verify.
    package init(
        path: String, now: Timestamp, createsRoot: Bool = true, backlogDays: Int64 = 35, keyRing: KeyRing = KeyRing()
    ) throws {
        self.path = path
        self.keyRing = keyRing
        backlogMilliseconds = backlogDays * Self.dayMilliseconds
        try Directories.create(path, mode: 0o700)
        var signers: [RoleList.Role: SigningKey] = [:]
        for (role, file) in Self.roles {
            let seed = try SecretFile.loadOrMake("\(path)/\(file)") { SigningKey().seed }
            signers[role] = try SigningKey(seed: seed)
        }
        self.signers = signers
        (roleList, signedRoleList) = try Self.loadRoleList(path, signers, createsRoot: createsRoot, now: now)
        let (loaded, damage) = try Self.loadBundle(path, roleList: roleList)
        bundleDamage = damage
        // Agents take higher versions only: seconds since 1970 are above any count of bundles.
        let version = damage == nil ? 0 : UInt64(max(1, now.milliseconds / 1000))
        let start = KeyBundle(
            version: version, issuedAt: now, expiresAt: now, recipients: [], roleList: signedRoleList)
        state = Mutex(loaded ?? State(bundle: start, signedBundle: []))
        if damage != nil {
            let recovered = try recoverRecipients()
            state.withLock { $0.bundle.recipients = recovered }
        }
        try rotate(now: now)
    }

    /// The keys whose private halves are here.
    private func recoverRecipients() throws -> [KeyBundle.Recipient] {
        try Directories.names(in: path).compactMap { name -> Int64? in
            guard name.hasPrefix("bundle-"), name.hasSuffix(".key") else { return nil }
            return Int64(name.dropFirst(7).dropLast(4))
        }.sorted().map { try make($0) }
    }

    package func signer(_ role: RoleList.Role) -> SigningKey {
        guard let key = signers[role] else { preconditionFailure("no key for role \(role)") }
        return key
    }

    /// One role's key of a directory that another process owns; nothing is made or rotated there.
    package static func signer(_ role: RoleList.Role, in path: String) throws -> SigningKey {
        let file = roles.first { $0.role == role }?.file ?? ""
        guard let seed = try SecretFile.read("\(path)/\(file)") else {
            throw AccessError(.notFound, "\(path)/\(file) is not here: sign where the key is")
        }
        return try SigningKey(seed: seed)
    }

    /// The bundle as published on `stagebox/1/_fleet/keys`.
    package var signedBundle: [UInt8] { state.withLock { $0.signedBundle } }
    package var bundleVersion: UInt64 { state.withLock { $0.bundle.version } }
    package var bundle: KeyBundle { state.withLock { $0.bundle } }

    /// After this many days every recipient that a key record of a day can have been sealed to is destroyed: the last
    /// one published then was in use up to ``daysAhead`` days later, with a day's margin at either end.
    package var recordDays: Int64 { Self.daysAhead + 3 + backlogMilliseconds / Self.dayMilliseconds }

    /// Makes the keys of the coming days, erases those past destroy-after, and signs a new bundle when anything
    /// changed. Call it at start, hourly, and after a revocation.
    /// - Returns: whether there is a new bundle to publish.
    @discardableResult
    package func rotate(now: Timestamp) throws -> Bool {
        let revoked = try Self.readRevoked(path)
        return try state.withLock { state in
            let today = Self.day(of: now)
            var recipients = state.bundle.recipients.filter { $0.destroyAfter > now }
            for recipient in recipients { try load(recipient) }
            for recipient in state.bundle.recipients where recipient.destroyAfter <= now {
                try SecretFile.destroy(file(of: Self.day(of: recipient.useFrom)))
            }
            _ = keyRing.destroyExpired(now: now)
            // A day begins early by one, so that an agent whose clock is a little behind finds its key.
            let known = Set(recipients.map { Self.day(of: $0.useFrom) })
            for day in (today - 1)...(today + Self.daysAhead) where !known.contains(day) {
                recipients.append(try make(day))
            }
            recipients.sort { $0.useFrom < $1.useFrom }
            // What nobody may use any more need not be published; its private half stays until it is due.
            let published = recipients.suffix(KeyBundle.recipientsMax)
            let isStale = state.bundle.expiresAt.milliseconds(since: now) < Self.daysAhead * Self.dayMilliseconds / 2
            guard Array(published) != state.bundle.recipients || revoked != state.bundle.revoked || isStale else {
                return false
            }
            let bundle = KeyBundle(
                version: state.bundle.version + 1, issuedAt: now,
                expiresAt: now.advanced(byMilliseconds: Self.daysAhead * Self.dayMilliseconds),
                recipients: Array(published), revoked: revoked, roleList: signedRoleList)
            let signed = SignedRecord.sign(.keyBundle, record: bundle, with: signer(.bundle))
            try SecretFile.write(signed, to: "\(path)/key-bundle.signed")
            state = State(bundle: bundle, signedBundle: signed)
            return true
        }
    }

    /// Adds serials to the signed revocation list; at its bound the oldest entry goes (its certificate has expired
    /// long before in any sensible fleet). Follow with ``rotate(now:)``.
    package func revoke(_ serials: [ID128]) throws {
        try state.withLock { _ in
            var revoked = try Self.readRevoked(path)
            for serial in serials where !revoked.contains(serial) { revoked.append(serial) }
            let text = revoked.suffix(KeyBundle.revokedMax).map { "\($0)\n" }.joined()
            try SecretFile.write(Array(text.utf8), to: "\(path)/revoked")
        }
    }

    // MARK: Bundle keys

    private func file(of day: Int64) -> String { "\(path)/bundle-\(day).key" }

    private func make(_ day: Int64) throws -> KeyBundle.Recipient {
        let secret = try SecretFile.loadOrMake(file(of: day)) { BoxKeyPair().secretBytes }
        let pair = try BoxKeyPair(secretBytes: secret)
        let from = Timestamp(milliseconds: day * Self.dayMilliseconds)
        let until = from.advanced(byMilliseconds: Self.dayMilliseconds)
        let destroy = until.advanced(byMilliseconds: backlogMilliseconds)
        keyRing.add(pair, destroyAfter: destroy)
        return KeyBundle.Recipient(publicKey: pair.publicKey, useFrom: from, useUntil: until, destroyAfter: destroy)
    }

    private func load(_ recipient: KeyBundle.Recipient) throws {
        let path = file(of: Self.day(of: recipient.useFrom))
        guard let secret = try SecretFile.read(path) else { return }  // lost: its batches stay unopenable
        let pair = try BoxKeyPair(secretBytes: secret)
        guard pair.publicKey == recipient.publicKey else {
            throw AccessError(.system, "\(path) is not the key that the bundle names; restore it or remove the bundle")
        }
        keyRing.add(pair, destroyAfter: recipient.destroyAfter)
    }

    static func day(of time: Timestamp) -> Int64 {
        let (quotient, remainder) = time.milliseconds.quotientAndRemainder(dividingBy: dayMilliseconds)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

extension KeyDirectory {
    private static func loadRoleList(
        _ path: String, _ signers: [RoleList.Role: SigningKey], createsRoot: Bool, now: Timestamp
    ) throws -> (RoleList, [UInt8]) {
        let file = "\(path)/role-list.signed"
        let keys = signers.mapValues { [$0.publicKey.id] }
        var version: UInt64 = 1
        if let signed = try SecretFile.read(file, bytesMax: 8192) {
            let claimed = try RoleList(decoding: SignedEnvelope(decoding: signed).body)
            let list = try RoleList.verified(signed, rootHash: Hash.blake2b256(claimed.root.bytes))
            if keys.allSatisfy({ list[$0.key].contains($0.value[0]) }) { return (list, signed) }
            version = list.version + 1
            guard try SecretFile.read("\(path)/root.key") != nil else {
                throw AccessError(
                    .system, "\(file) does not name this directory's role keys; have the root sign a new one")
            }
        } else if !createsRoot {
            throw AccessError(.system, "\(file) is missing and no root may be made here; have the root sign one")
        }
        let root = try SigningKey(seed: SecretFile.loadOrMake("\(path)/root.key") { SigningKey().seed })
        let list = RoleList(version: version, issuedAt: now, root: root.publicKey.id, keys: keys)
        let signed = list.signed(with: root)
        try SecretFile.write(signed, to: file)
        return (list, signed)
    }

    /// - Returns: no state when there is no bundle; with the reason when there is one that does not read, which is set
    ///   aside then: it can be made again from the private halves, which stand in files of their own.
    private static func loadBundle(_ path: String, roleList: RoleList) throws -> (state: State?, damage: String?) {
        let file = "\(path)/key-bundle.signed"
        guard let signed = try SecretFile.read(file, bytesMax: 2 * WireLimits.recordBytesMax) else { return (nil, nil) }
        do {
            let bundle = try SignedRecord.open(signed, as: KeyBundle.self, .keyBundle, keys: roleList[.bundle])
            return (State(bundle: bundle, signedBundle: signed), nil)
        } catch {
            let aside = try SecretFile.setAside(file)
            return (nil, "key-bundle.signed does not read (\(error)): kept as \(aside), a new one is signed")
        }
    }

    private static func readRevoked(_ path: String) throws -> [ID128] {
        let bytes = try SecretFile.read("\(path)/revoked", bytesMax: 1 << 20) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap {
            ID128(hexadecimal: String($0))
        }
    }
}
