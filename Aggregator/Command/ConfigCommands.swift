import AggregatorCore
import ArgumentParser
import Foundation
import RuntimeSupport
import Telemetry
import WireFormat

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The agents' configuration: signed manifests.",
        discussion: "An agent runs its own file, over it the manifests of its groups in their order, over them its own "
            + "manifest: key by key, the later one counts. Its guard file says what no manifest may do.",
        subcommands: [Push.self, Show.self])

    /// Whom a manifest is for.
    struct Scope: ParsableArguments {
        @Option(help: "The agent it is for.")
        var agent: String?
        @Option(help: "The group it is for.")
        var group: String?

        /// nil: neither was named.
        func chosen() throws -> Manifest.Scope? {
            switch (agent, group) {
            case (let agent?, nil): .agent(try AgentID(validating: agent))
            case (nil, let group?): .group(try GroupName(validating: group))
            case (nil, nil): nil
            default: throw ValidationError("--agent and --group: say one of them")
            }
        }
    }

    struct Push: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sign a settings file and send it to an agent or a group.",
            discussion:
                "Signing needs the manifest key, so this runs on the aggregator's machine. Each agent tries it, "
                + "keeps it if its link and its own use stay in order for a minute, and goes back otherwise. The file "
                + "replaces what was pushed before; only the groups of an agent stay when the file names none.")
        @Argument(help: "The settings, in the language of the agent's own file.")
        var file: String
        @OptionGroup var scope: Scope
        @Option(help: "Its tenant; needed when there are several.")
        var tenant: String?
        @Option(help: "The aggregator's data directory, where the manifest key is.")
        var dataDir: String
        @Option(help: "Days within which the agent has to take it.")
        var days = 30

        func run() throws {
            guard let scope = try scope.chosen() else { throw ValidationError("say --agent or --group") }
            guard (1...3650).contains(days) else { throw ValidationError("--days \(days): use 1 to 3650") }
            var body = try SettingsText.read(file)
            let signer = try LocalSigner(dataDir: dataDir, tenant: tenant)
            let named = try SettingsDocument(body, source: file).entries[ManifestText.groupsKey]
            if case .agent = scope, named == nil, let held = try signer.held(scope) {
                let groups = try ManifestText.groups(in: held.manifest.body, source: "what was pushed before")
                if !groups.isEmpty { body = ManifestText.setting(groups, in: body) }
            }
            let version = try signer.push(body, to: scope, days: days)
            let name = if case .group(let group) = scope { "group \(group)" } else { self.scope.agent ?? "" }
            print("pushed version \(version) to \(signer.tenant)/\(name); see \"stagebox config show\"")
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "What each agent runs of which manifest; with --data-dir, the manifest that it or a group shall run.",
            discussion: "Of an agent's lines, the later one overrides the earlier one.")
        @OptionGroup var scope: Scope
        @OptionGroup var about: TenantOption
        @Option(help: "The aggregator's data directory, on its own machine.")
        var dataDir: String?

        func run() throws {
            guard let dataDir else { return try list() }
            guard let scope = try scope.chosen() else { throw ValidationError("say --agent or --group") }
            let signer = try LocalSigner(dataDir: dataDir, tenant: about.tenant)
            guard let held = try signer.held(scope) else { throw CommandFailure("nothing was pushed to it") }
            let manifest = held.manifest
            let name = if case .group(let group) = scope { "group \(group)" } else { self.scope.agent ?? "" }
            print("# \(signer.tenant)/\(name), version \(manifest.version), to be taken until \(manifest.expiresAt)")
            print(manifest.body)
        }

        private func list() throws {
            let answer = try about.session().json("GET", "/api/v1/agents")
            var rows: [[String: Any]] = []
            for agent in answer["agents"] as? [[String: Any]] ?? [] {
                let name = agent["agent"] as? String ?? ""
                guard scope.agent == nil || scope.agent == name else { continue }
                for line in agent["configuration"] as? [[String: Any]] ?? [] {
                    if let group = scope.group, line["group"] as? String != group { continue }
                    var row = line
                    row["agent"] = name
                    row["of"] = (line["group"] as? String).map { "group \($0)" } ?? "agent"
                    rows.append(row)
                }
            }
            Table.printRows(rows, columns: ["agent", "of", "desired", "running", "attempted", "step", "error"])
        }
    }
}

/// A settings file as far as it can be judged without an agent: its size and its language.
enum SettingsText {
    static func read(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure("\(path): cannot be read")
        }
        guard data.count <= Manifest.bodyBytesMax else {
            throw CommandFailure("\(path): \(data.count) bytes; a manifest holds up to \(Manifest.bodyBytesMax)")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw CommandFailure("\(path): is not UTF-8") }
        let document = try SettingsDocument(text, source: path)
        // An empty manifest is a way to go back to the node's own settings; it has to be meant.
        guard !document.keys.isEmpty || text.contains("#") else {
            throw CommandFailure("\(path): is empty; to go back to the node's own settings, push a comment line")
        }
        return text
    }
}
