import Access
import AggregatorCore
import ArgumentParser
import Foundation
import RuntimeSupport
import Sealing
import Telemetry
import WireFormat

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The agents' configuration: signed manifests.",
        subcommands: [Push.self, Show.self])

    struct Push: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign a settings file and send it to an agent.",
            discussion: "Signing needs the manifest key, so this runs on the aggregator's machine. The agent tries it, "
                + "keeps it if its link and its own use stay in order for a minute, and goes back otherwise.")
        @Argument(help: "The settings, in the language of the agent's own file.")
        var file: String
        @Option(help: "The agent it is for.")
        var agent: String
        @Option(help: "Its tenant; needed when there are several.")
        var tenant: String?
        @Option(help: "The aggregator's data directory, where the manifest key is.")
        var dataDir: String
        @Option(help: "Days within which the agent has to take it.")
        var days = 30

        func run() throws {
            let agent = try AgentID(validating: agent)
            guard (1...3650).contains(days) else { throw ValidationError("--days \(days): use 1 to 3650") }
            let body = try SettingsText.read(file)
            let now = SystemTimeSource().now
            let tenant = try LocalTenant.choose(tenant, dataDir: dataDir, now: now)
            let held = try ManifestFiles(dataDirectory: dataDir).read(agent, of: tenant)
            let manifest = Manifest(
                scope: .agent(agent), version: (try held.map { try Self.version(of: $0) } ?? 0) + 1,
                previousHash: held.map { Hash.blake2b256($0) } ?? .zero, notBefore: now,
                expiresAt: now.advanced(byMilliseconds: Int64(days) * 86_400_000), body: body)
            let keys = try KeyDirectory(path: "\(dataDir)/keys", now: now, createsRoot: false)
            let record = SignedRecord.sign(
                .manifest, tenant: tenant, agent: agent, record: manifest, with: keys.signer(.manifest))
            _ = try Session.load().send("POST", "/api/v1/admin/config", body: record)
            print("pushed version \(manifest.version) to \(tenant)/\(agent); see \"stagebox config show\"")
        }

        static func version(of record: [UInt8]) throws -> UInt64 {
            try Manifest(decoding: SignedEnvelope(decoding: record).body).version
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What each agent runs; with --agent and --data-dir, the manifest that it shall run.")
        @Option(help: "The agent whose manifest to print.")
        var agent: String?
        @Option(help: "Its tenant; needed when there are several.")
        var tenant: String?
        @Option(help: "The aggregator's data directory, on its own machine.")
        var dataDir: String?

        func run() throws {
            guard let agent, let dataDir else {
                let answer = try Session.load().json("GET", "/api/v1/agents")
                Table.printRows(answer["agents"], columns: ["agent", "state", "configuration_version", "version"])
                return
            }
            let id = try AgentID(validating: agent)
            let tenant = try LocalTenant.choose(tenant, dataDir: dataDir, now: SystemTimeSource().now)
            guard let record = try ManifestFiles(dataDirectory: dataDir).read(id, of: tenant) else {
                throw ValidationError("nothing was pushed to \(tenant)/\(id)")
            }
            let manifest = try Manifest(decoding: SignedEnvelope(decoding: record).body)
            print("# \(tenant)/\(id), version \(manifest.version), to be taken until \(manifest.expiresAt)")
            print(manifest.body)
        }
    }
}

/// A settings file as far as it can be judged without an agent: its size and the form of its lines.
enum SettingsText {
    static func read(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path): cannot be read")
        }
        guard data.count <= Manifest.bodyBytesMax else {
            throw ValidationError("\(path): \(data.count) bytes; a manifest holds up to \(Manifest.bodyBytesMax)")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw ValidationError("\(path): is not UTF-8") }
        var isEmpty = true
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") || (index == 0 && line == "---") { continue }
            isEmpty = false
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex,
                line.index(after: colon) == line.endIndex || line[line.index(after: colon)] == " "
            else {
                throw ValidationError("\(path):\(index + 1): \"\(line.prefix(80))\" is not of the form \"key: value\"")
            }
        }
        // An empty manifest is a way to go back to the node's own settings; it has to be meant.
        guard !isEmpty || text.contains("#") else {
            throw ValidationError("\(path): is empty; to go back to the node's own settings, push a comment line")
        }
        return text
    }
}

enum LocalTenant {
    /// The tenant named, or the only one there is.
    static func choose(_ name: String?, dataDir: String, now: Timestamp) throws -> TenantID {
        if let name { return try TenantID(validating: name) }
        let all = try AccessStore(path: "\(dataDir)/access.sqlite", now: now).tenants().map(\.name)
        guard all.count == 1 else {
            throw ValidationError("--tenant: say which of \(all.map(\.rawValue).joined(separator: ", "))")
        }
        return all[0]
    }
}
