import Glibc
import Sealing
package import Telemetry
package import WireFormat

/// `stagebox-agent enrol`: keys made here, certificate from there, all kept sealed.
package enum Enrolment {
    package enum Failure: Error, CustomStringConvertible {
        case alreadyEnrolled(String)
        package var description: String {
            switch self {
            case .alreadyEnrolled(let name):
                "this node is enrolled as \(name) already; to join anew, stop the agent and remove its data directory"
            }
        }
    }

    /// The keys of a request that may not have been answered yet: the same token may repeat them.
    package struct PendingKeys: WireRecord {
        var signingSeed: [UInt8]
        var boxSecret: [UInt8]
        init(signingSeed: [UInt8], boxSecret: [UInt8]) {
            self.signingSeed = signingSeed
            self.boxSecret = boxSecret
        }
        package func encodeFields(into writer: inout ByteWriter) {
            writer.write(prefixed: signingSeed)
            writer.write(prefixed: boxSecret)
        }
        package init(fieldsFrom reader: inout ByteReader) throws(WireError) {
            signingSeed = [UInt8](try reader.readPrefixed("signing seed", max: 64))
            boxSecret = [UInt8](try reader.readPrefixed("box secret", max: 64))
        }
    }

    package static func run(
        configuration: AgentConfiguration, url: String, token: String, agent: AgentID?
    ) throws -> AgentIdentity {
        let file = try IdentityFile(configuration)
        if let known = try file.read() { throw Failure.alreadyEnrolled("\(known.tenant)/\(known.agent)") }
        let pending = try file.sibling("enrolment")
        let keys: PendingKeys
        if let stored = try pending.read() {
            keys = try PendingKeys(decoding: stored)
        } else {
            keys = PendingKeys(signingSeed: SigningKey().seed, boxSecret: BoxKeyPair().secretBytes)
            try pending.write(keys.encoded())
        }
        let identity = try EnrolmentClient.enrol(
            url: url, token: token, agent: agent ?? hostAgent(), hostName: hostName(), version: AgentProgram.version,
            signingKey: SigningKey(seed: keys.signingSeed), boxKey: BoxKeyPair(secretBytes: keys.boxSecret))
        try file.write(identity)
        unlink(pending.path)
        return identity
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    /// The host's name in the grammar of agent names; nil when nothing of it fits.
    private static func hostAgent() -> AgentID? {
        let fitted = hostName().lowercased().map {
            $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "-"
        }
        return AgentID(rawValue: String(fitted.drop { "._-".contains($0) }.prefix(NameGrammar.lengthMax)))
    }
}
