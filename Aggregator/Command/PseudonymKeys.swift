import Access
import ArgumentParser
import Foundation
import Sealing
import Telemetry
import WireFormat

/// The pseudonym keys that this person's tool holds, one 0600 file for each tenant of each installation.
///
/// Such a key never reaches the aggregator in the clear: the tool seals it to a key whose secret half only the token
/// carries, which the agent does not send.
struct PseudonymKeys {
    /// `sbxp1-` and Base64URL of u32 version, the key and a CRC-32 of both: for moving a key to another machine.
    static let prefix = "sbxp1-"

    let session: Session
    /// Where the files are.
    let directory: String
    let tenant: TenantID
    /// What tells one installation's tenants from another's.
    let root: String
    /// What the tenant's last token brought, as the aggregator noted it.
    let noted: (version: UInt32, fingerprint: String)?

    static var standardDirectory: String { (Session.path as NSString).deletingLastPathComponent + "/pseudonyms" }

    init(session: Session, directory: String = standardDirectory) throws {
        let answer = try session.json("GET", "/api/v1/admin/enrolments")
        guard let name = answer["tenant"] as? String, let root = answer["root"] as? String,
            let hash = ID256(hexadecimal: root)
        else { throw CommandFailure("the aggregator is older than this tool: it does not say whose tokens it makes") }
        self.session = session
        self.directory = directory
        tenant = try TenantID(validating: name)
        self.root = String(hash.description.prefix(16))
        let note = answer["pseudonym_key"] as? [String: Any]
        noted = note.flatMap { note in
            guard let version = (note["version"] as? Int).flatMap({ UInt32(exactly: $0) }),
                let fingerprint = note["fingerprint"] as? String
            else { return nil }
            return (version, fingerprint)
        }
    }

    var path: String { "\(directory)/\(root).\(tenant).key" }

    func read() throws -> PseudonymKey? {
        guard let bytes = try SecretFile.read(path) else { return nil }
        return try Self.parse(String(decoding: bytes, as: UTF8.self))
    }

    func write(_ key: PseudonymKey) throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try SecretFile.write(Array((Self.text(key) + "\n").utf8), to: path)
    }

    static func text(_ key: PseudonymKey) -> String {
        let fields = withUnsafeBytes(of: key.version.littleEndian) { Array($0) } + key.secretBytes
        let check = withUnsafeBytes(of: Checksum.crc32(fields).littleEndian) { Array($0) }
        return prefix + Base64URL.encode(fields + check)
    }

    static func parse(_ text: String) throws -> PseudonymKey {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let bytes = text.hasPrefix(prefix) ? Base64URL.decode(Substring(text.dropFirst(prefix.count))) : nil
        guard let bytes, bytes.count == 4 + PseudonymKey.bytes + 4 else {
            throw CommandFailure("this is not a pseudonym key: \"stagebox pseudonyms export\" prints one")
        }
        func word(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } }
        guard word(bytes.suffix(4)) == Checksum.crc32(Array(bytes.dropLast(4))), word(bytes.prefix(4)) > 0 else {
            throw CommandFailure("the pseudonym key is mistyped or cut off")
        }
        return try PseudonymKey(bytes: Array(bytes[4..<4 + PseudonymKey.bytes]), version: word(bytes.prefix(4)))
    }

    /// The key that agents enrol with; made at a tenant's first enrolment.
    /// - Throws: when this tool does not hold the key that the tenant's agents have.
    func current() throws -> PseudonymKey {
        let held = try read()
        if let noted,
            held == nil || held.map({ $0.version < noted.version }) == true
                || held.map({ $0.version == noted.version && $0.fingerprint.description != noted.fingerprint }) == true
        {
            throw CommandFailure(
                "tenant \(tenant) has a pseudonym key (version \(noted.version), fingerprint \(noted.fingerprint)) that "
                    + "is not in \(path). Where it was made, \"stagebox pseudonyms export\" prints it; here \"stagebox "
                    + "pseudonyms import\" takes it. If it is lost, or known to others, \"stagebox pseudonyms rotate\" "
                    + "makes a new one: users then get new pseudonyms at agents that enrol or are sent it")
        }
        if let held { return held }
        let made = PseudonymKey(randomVersion: 1)
        try write(made)
        return made
    }

    /// Asks for a token and adds what opens the pseudonym key to it.
    /// - Parameter fields: of the request for the token.
    func token(_ fields: [String: Any]) throws -> String {
        let key = try current()
        let pair = BoxKeyPair()
        var fields = fields
        fields["pseudonym_key_version"] = Int(key.version)
        fields["pseudonym_key_fingerprint"] = key.fingerprint.description
        fields["pseudonym_key_sealed"] = Base64URL.encode(try SealedBox.seal(key.secretBytes, to: pair.publicKey))
        let made = try session.json("POST", "/api/v1/admin/enrolments", json: fields)
        guard let text = made["token"] as? String else { throw CommandFailure("no enrolment token came back") }
        var token = try EnrolmentToken(text: text)
        token.pseudonymSecret = pair.secretBytes
        return token.text
    }
}

struct Pseudonyms: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The key that makes pseudonyms of a tenant's users; kept here, never at the aggregator.",
        subcommands: [Show.self, Export.self, Import.self, Rotate.self, Send.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Versions and fingerprints, here and at agents.")
        @OptionGroup var about: TenantOption
        func run() throws {
            let keys = try PseudonymKeys(session: about.session())
            let held = try keys.read().map { "version \($0.version), fingerprint \($0.fingerprint)" }
            print("here        \(held ?? "none")   (\(keys.path))")
            let noted = keys.noted.map { "version \($0.version), fingerprint \($0.fingerprint)" }
            print("agents      \(noted ?? "none yet")")
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the key, a secret, for another administrator.")
        @OptionGroup var about: TenantOption
        func run() throws { print(PseudonymKeys.text(try PseudonymKeys(session: about.session()).current())) }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a key from standard input.")
        @OptionGroup var about: TenantOption
        func run() throws {
            let keys = try PseudonymKeys(session: about.session())
            guard let line = readLine() else { throw CommandFailure("no key: paste it, or pipe it in") }
            let key = try PseudonymKeys.parse(line)
            try keys.write(key)
            print("tenant \(keys.tenant): version \(key.version), fingerprint \(key.fingerprint)")
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key for the agents that enrol from now on.",
            discussion:
                "Agents keep the key they have until \"pseudonyms send\" gives them the new one; each event says "
                + "which version made its pseudonym, and pseudonyms of two versions cannot be told to be one user's.")
        @OptionGroup var about: TenantOption
        func run() throws {
            let keys = try PseudonymKeys(session: about.session())
            let last = max(try keys.read()?.version ?? 0, keys.noted?.version ?? 0)
            guard last < .max else { throw CommandFailure("there is no version after \(last)") }
            let key = PseudonymKey(randomVersion: last + 1)
            try keys.write(key)
            print("tenant \(keys.tenant): version \(key.version), fingerprint \(key.fingerprint)")
        }
    }

    struct Send: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give the key to agents that are enrolled: after a rotation, or if they came without one.",
            discussion:
                "On the machine with the signing keys. Sealed to each agent: the aggregator passes it on unread.")
        @Argument(help: "The agents; all of the tenant without any.")
        var agents: [String] = []
        @Option(help: "The aggregator's data directory, where the command key and the agents' certificates are.")
        var dataDir: String
        @Option(help: "Whose agents; needed where there are several tenants.")
        var tenant: String?
        @Option(help: "Seconds to wait for each agent.")
        var seconds = 30

        func run() throws {
            guard (1...3600).contains(seconds) else { throw ValidationError("--seconds \(seconds): use 1 to 3600") }
            let signer = try LocalSigner(dataDir: dataDir, tenant: tenant)
            let key = try PseudonymKeys(session: signer.session).current()
            let store = try AccessStore(path: "\(dataDir)/access.sqlite", now: signer.now)
            // Of an agent's certificates the last issued counts; all name the same box key.
            var boxKeys: [AgentID: ID256] = [:]
            for issued in try store.certificates(of: signer.tenant) where issued.revokedAt == nil {
                boxKeys[issued.certificate.agent] = issued.certificate.boxKey
            }
            let wanted = try agents.isEmpty ? boxKeys.keys.sorted() : agents.map { try AgentID(validating: $0) }
            var failures = 0
            for agent in wanted {
                do {
                    guard let boxKey = boxKeys[agent] else { throw CommandFailure("there is no agent \(agent)") }
                    let (outcome, text) = try signer.order(
                        PseudonymKeyOrder.verb, PseudonymKeyOrder.seal(key, to: boxKey), of: agent, seconds: seconds)
                    print("\(agent): \(outcome): \(text)")
                    if outcome != CommandResult.Outcome.done.name { failures += 1 }
                } catch {
                    print("\(agent): \(error)")
                    failures += 1
                }
            }
            if failures > 0 { throw ExitCode.failure }
        }
    }
}
