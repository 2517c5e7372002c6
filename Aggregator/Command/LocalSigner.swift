import Access
import AggregatorCore
import ArgumentParser
import Foundation
import RuntimeSupport
import Sealing
import Telemetry
import WireFormat

/// Signs manifests and commands with the keys on this machine, and sends them to the signed-in aggregator.
struct LocalSigner {
    /// Ours may be ahead of an agent's clock by this much.
    static let skewMilliseconds: Int64 = 300_000

    let dataDir: String
    let tenant: TenantID
    let session: Session
    let now = SystemTimeSource().now

    /// - Parameter tenant: nil: the only one there is.
    init(dataDir: String, tenant: String?) throws {
        self.dataDir = dataDir
        self.tenant = try Self.choose(tenant, dataDir: dataDir, now: now)
        var session = try Session.load()
        session.tenant = self.tenant.rawValue
        self.session = session
    }

    static func choose(_ name: String?, dataDir: String, now: Timestamp) throws -> TenantID {
        if let name { return try TenantID(validating: name) }
        let all = try AccessStore(path: "\(dataDir)/access.sqlite", now: now).tenants().map(\.name)
        guard all.count == 1 else {
            throw ValidationError("--tenant: say which of \(all.map(\.rawValue).joined(separator: ", "))")
        }
        return all[0]
    }

    /// The manifest that an agent or group shall run now; nil if nothing was pushed.
    func held(_ scope: Manifest.Scope) throws -> (manifest: Manifest, record: [UInt8])? {
        guard let record = try ManifestFiles(dataDirectory: dataDir).read(target(scope)) else { return nil }
        return (try Manifest(decoding: SignedEnvelope(decoding: record).body), record)
    }

    /// - Returns: the version that was pushed.
    func push(_ body: String, to scope: Manifest.Scope, days: Int) throws -> UInt64 {
        let held = try held(scope)
        let manifest = Manifest(
            scope: scope, version: (held?.manifest.version ?? 0) + 1,
            previousHash: held.map { Hash.blake2b256($0.record) } ?? .zero,
            notBefore: now.advanced(byMilliseconds: -Self.skewMilliseconds),
            expiresAt: now.advanced(byMilliseconds: Int64(days) * 86_400_000), body: body)
        let agent: AgentID? = if case .agent(let agent) = scope { agent } else { nil }
        let record = SignedRecord.sign(
            .manifest, tenant: tenant, agent: agent, record: manifest,
            with: try KeyDirectory.signer(.manifest, in: "\(dataDir)/keys"))
        _ = try session.send("POST", "/api/v1/admin/config", body: record)
        return manifest.version
    }

    /// - Returns: the command's id.
    func command(
        _ verb: String, _ argument: String, to agent: AgentID, epoch: EpochID, seconds: Int
    ) throws -> String {
        var generator = SecureGenerator()
        let command = Command(
            id: ID128(random: &generator), runningEpoch: epoch,
            notAfter: now.advanced(byMilliseconds: Int64(seconds) * 1000), verb: verb, argument: argument)
        let record = SignedRecord.sign(
            .command, tenant: tenant, agent: agent, record: command,
            with: try KeyDirectory.signer(.command, in: "\(dataDir)/keys"))
        _ = try session.send("POST", "/api/v1/admin/agents/\(agent)/commands", body: record)
        return command.id.description
    }

    /// Sends a command and waits for what becomes of it.
    /// - Throws: `CommandFailure` when the agent was never heard of, or does not answer within `seconds`.
    func order(
        _ verb: String, _ argument: String, of agent: AgentID, seconds: Int
    ) throws -> (outcome: String, text: String) {
        let fleet = try session.json("GET", "/api/v1/agents")["agents"] as? [[String: Any]] ?? []
        guard let known = fleet.first(where: { $0["agent"] as? String == agent.rawValue }),
            let epoch = (known["epoch"] as? String).flatMap({ ID128(hexadecimal: $0) })
        else { throw CommandFailure("agent \(agent) was never heard of, so nothing can be asked of it") }
        let id = try command(verb, argument, to: agent, epoch: epoch, seconds: seconds)
        let until = Date().addingTimeInterval(Double(seconds))
        while Date() < until {
            let answer = try session.json("GET", "/api/v1/admin/commands?agent=\(agent)")
            let all = answer["commands"] as? [[String: Any]] ?? []
            if let entry = all.first(where: { $0["id"] as? String == id }), let outcome = entry["outcome"] as? String {
                return (outcome, entry["text"] as? String ?? "")
            }
            usleep(200_000)
        }
        throw CommandFailure("no answer yet; see \"stagebox agents commands\"")
    }

    private func target(_ scope: Manifest.Scope) -> ManifestTarget {
        switch scope {
        case .agent(let agent): .agent(agent, tenant)
        case .group(let group): .group(group, tenant)
        }
    }
}
