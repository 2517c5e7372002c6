import Glibc
import Sealing
import WireFormat

/// The identity on disk, sealed under the machine key (a systemd credential, else a 0600 file beside it).
package struct IdentityFile {
    private let file: SealedFile
    private let key: MachineKey

    /// Makes the data directory and the machine key if they are missing.
    package init(_ configuration: AgentConfiguration) throws {
        mkdir(configuration.dataDirectory, 0o700)
        key = try MachineKey.load(
            credentialsDirectory: getenv("CREDENTIALS_DIRECTORY").map { String(cString: $0) },
            path: configuration.machineKeyPath)
        file = SealedFile(path: configuration.identityPath, purpose: AgentIdentity.purpose, key: key)
    }

    package enum Failure: Error, CustomStringConvertible {
        case otherKey(path: String)
        package var description: String {
            switch self {
            case .otherKey(let path):
                "\(path) is damaged or was sealed under another machine key: enrolment and service must both have the "
                    + "credential \(MachineKey.credentialName), or both the key file"
            }
        }
    }

    /// - Returns: nil before enrolment.
    /// - Throws: ``Failure`` when the machine key does not open it, ``SealingError`` for other faults.
    package func read() throws -> AgentIdentity? {
        let plain: [UInt8]?
        do { plain = try file.read() } catch SealingError.notAuthentic { throw Failure.otherKey(path: file.path) }
        return try plain.map { try AgentIdentity(decoding: $0) }
    }
    /// Another sealed file beside this one.
    func sibling(_ purpose: String) throws -> SealedFile {
        SealedFile(path: "\(file.path).\(purpose)", purpose: purpose, key: key)
    }
    /// Where findings are kept, under the same key.
    var findings: SealedFile { get throws { try sibling("findings") } }
    /// Where what became of actions is kept.
    var actions: SealedFile { get throws { try sibling("actions") } }
    /// Where what detection has learnt is kept.
    var models: SealedFile { get throws { try sibling("models") } }
    package func write(_ identity: AgentIdentity) throws { try file.write(identity.encoded()) }
}
