public import Telemetry

/// A version of the configuration of an agent or a group. Signed with the manifest key.
public struct Manifest: WireRecord, Hashable {
    public enum Scope: Hashable, Sendable {
        case agent(AgentID)
        case group(GroupName)
    }
    public static let bodyBytesMax = 48 * 1024
    public static let versionBytesMax = 64

    public var scope: Scope
    /// Grows per scope.
    public var version: UInt64
    /// BLAKE2b-256 of the previous version's signed record; zero for the first.
    public var previousHash: ID256
    public var notBefore: Timestamp
    /// Bounds acceptance, never running.
    public var expiresAt: Timestamp
    /// Empty: any.
    public var minimumAgentVersion: String
    /// Text in the configuration language. The scope `agent` may seal it: see FORMAT.md.
    public var body: String

    public init(
        scope: Scope, version: UInt64, previousHash: ID256, notBefore: Timestamp, expiresAt: Timestamp,
        minimumAgentVersion: String = "", body: String
    ) {
        self.scope = scope
        self.version = version
        self.previousHash = previousHash
        self.notBefore = notBefore
        self.expiresAt = expiresAt
        self.minimumAgentVersion = minimumAgentVersion
        self.body = body
    }

    public func encodeFields(into writer: inout ByteWriter) {
        scope.encode(into: &writer)
        writer.write(varint: version)
        writer.write(previousHash)
        writer.write(notBefore)
        writer.write(expiresAt)
        writer.write(text: minimumAgentVersion)
        writer.write(text: body)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        scope = try Scope(from: &reader)
        version = try reader.readVarint("version")
        previousHash = try reader.readHash("previous hash")
        notBefore = try reader.readTimestamp("not before")
        expiresAt = try reader.readTimestamp("expiry")
        minimumAgentVersion = try reader.readText("minimum agent version", max: Self.versionBytesMax)
        body = try reader.readText("body", max: Self.bodyBytesMax)
    }
}

extension Manifest.Scope {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .agent(let agent):
            writer.write(1 as UInt8)
            writer.write(agent)
        case .group(let group):
            writer.write(2 as UInt8)
            writer.write(group)
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        switch try reader.readByte("scope") {
        case 1: self = .agent(try reader.readName(AgentID.self, "agent"))
        case 2: self = .group(try reader.readName(GroupName.self, "group"))
        default: throw .invalid("scope")
        }
    }
}

/// Where an agent stands with one scope of its configuration; sent on `up/result`.
public struct ManifestReport: WireRecord, Hashable {
    public enum Step: UInt8, Sendable, CaseIterable {
        case received = 1, verified = 2, validated = 3, applied = 4, baking = 5, committed = 6, reverted = 7
    }
    public static let errorBytesMax = 1024

    public var scope: Manifest.Scope
    public var desiredVersion: UInt64
    public var attemptedVersion: UInt64
    public var runningVersion: UInt64
    /// The last step that the attempted version reached.
    public var step: Step
    /// Why it went no further; empty when it did not fail.
    public var error: String
    public var at: Timestamp

    public init(
        scope: Manifest.Scope, desiredVersion: UInt64, attemptedVersion: UInt64, runningVersion: UInt64, step: Step,
        error: String = "", at: Timestamp
    ) {
        self.scope = scope
        self.desiredVersion = desiredVersion
        self.attemptedVersion = attemptedVersion
        self.runningVersion = runningVersion
        self.step = step
        self.error = error
        self.at = at
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(varint: desiredVersion)
        writer.write(varint: attemptedVersion)
        writer.write(varint: runningVersion)
        writer.write(step.rawValue)
        writer.write(text: error)
        writer.write(at)
        scope.encode(into: &writer)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        desiredVersion = try reader.readVarint("desired version")
        attemptedVersion = try reader.readVarint("attempted version")
        runningVersion = try reader.readVarint("running version")
        step = try reader.readCase(Step.self, "step")
        error = try reader.readText("error", max: Self.errorBytesMax)
        at = try reader.readTimestamp("time")
        scope = try Manifest.Scope(from: &reader)
    }
}
