import Telemetry
package import WireFormat

/// As the agent keeps it in its buffer, over crashes and power cuts.
extension ControlState: WireRecord {
    private static let errorBytesMax = 4 * ManifestReport.errorBytesMax

    package func encodeFields(into writer: inout ByteWriter) {
        let scopes = Set(committed.keys).union(highest.keys).union(lastAttempted.keys).sorted { $0.name < $1.name }
        writer.write(varint: UInt64(scopes.count))
        for scope in scopes {
            scope.encode(into: &writer)
            writer.write(committed[scope] == nil ? 0 : 1 as UInt8)
            committed[scope]?.encodeFields(into: &writer)
            writer.write(varint: highest[scope] ?? 0)
            writer.write(varint: lastAttempted[scope] ?? 0)
        }
        writer.write(attempt == nil ? 0 : 1 as UInt8)
        if let attempt {
            attempt.manifest.encodeFields(into: &writer)
            writer.write(attempt.step.rawValue)
            writer.write(varint: UInt64(attempt.starts))
        }
        writer.write(text: lastError)
    }

    package init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        self.init()
        for _ in 0..<(try reader.readCount("scopes", max: 2 * Self.scopesMax)) {
            let scope = try ManifestScope(from: &reader)
            if try reader.readBool("committed") { committed[scope] = try VerifiedManifest(fieldsFrom: &reader) }
            let seen = try reader.readVarint("highest version")
            if seen > 0 { highest[scope] = seen }
            let attempted = try reader.readVarint("attempted version")
            if attempted > 0 { lastAttempted[scope] = attempted }
        }
        if try reader.readBool("attempt") {
            let manifest = try VerifiedManifest(fieldsFrom: &reader)
            let step = try reader.readCase(ManifestReport.Step.self, "step")
            attempt = Attempt(manifest: manifest, step: step, starts: try reader.readCount("starts", max: 1000))
        }
        lastError = try reader.readText("error", max: Self.errorBytesMax)
    }
}

extension ManifestScope {
    func encode(into writer: inout ByteWriter) {
        if case .group(let group) = self {
            writer.write(text: group.rawValue)
        } else {
            writer.write(text: "")
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let name = try reader.readText("scope", max: NameGrammar.lengthMax)
        guard !name.isEmpty else {
            self = .agent
            return
        }
        guard let group = GroupName(rawValue: name) else { throw .invalid("scope") }
        self = .group(group)
    }
}

extension VerifiedManifest: WireRecord {
    package func encodeFields(into writer: inout ByteWriter) {
        scope.encode(into: &writer)
        writer.write(varint: version)
        writer.write(hash)
        writer.write(previousHash)
        writer.write(notBefore)
        writer.write(expiresAt)
        writer.write(text: minimumAgentVersion)
        writer.write(text: body)
        writer.write(text: groups.map(\.rawValue).joined(separator: ","))
    }

    package init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        let scope = try ManifestScope(from: &reader)
        let version = try reader.readVarint("version")
        let hash = try reader.readHash("hash")
        let previous = try reader.readHash("previous hash")
        let from = try reader.readTimestamp("not before")
        let until = try reader.readTimestamp("expiry")
        let minimum = try reader.readText("minimum agent version", max: Manifest.versionBytesMax)
        let body = try reader.readText("body", max: Manifest.bodyBytesMax)
        let names = try reader.readText("groups", max: GroupName.countMax * (NameGrammar.lengthMax + 1))
        guard let groups = names.isEmpty ? [] : GroupName.list(names) else { throw .invalid("groups") }
        self.init(
            scope: scope, version: version, hash: hash, previousHash: previous, notBefore: from, expiresAt: until,
            minimumAgentVersion: minimum, body: body, groups: groups)
    }
}
