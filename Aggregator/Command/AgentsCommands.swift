import AggregatorCore
import ArgumentParser
import Foundation
import Telemetry
import WireFormat

struct Agents: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The agents: list them, put them into groups, have them do something, take them out.",
        subcommands: [List.self, Groups.self, Order.self, Orders.self, Revoke.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The fleet: state, lag, clock, backlog, version.")
        @OptionGroup var about: TenantOption
        func run() throws {
            let answer = try about.session().json("GET", "/api/v1/agents")
            Table.printRows(
                answer["agents"],
                columns: [
                    "agent", "state", "lag_ms", "pending_batches", "clock_skew_ms", "version", "region", "site", "job",
                ])
        }
    }

    /// Of the aggregator's machine, where the keys are.
    struct Signing: ParsableArguments {
        @Argument(help: "The agent.")
        var agent: String
        @Option(help: "Its tenant; needed when there are several.")
        var tenant: String?
        @Option(help: "The aggregator's data directory, where the keys are.")
        var dataDir: String
    }

    struct Groups: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "group", abstract: "Set the groups of an agent, or show them.",
            discussion:
                "Groups stand in the agent's own manifest: this pushes a new version of it, all else unchanged. "
                + "Later groups override earlier ones, the agent's own settings override all.")
        @OptionGroup var signing: Signing
        @Option(help: "The groups, as in \"edge, canary\"; \"\" for none. Without it they are shown.")
        var set: String?
        @Option(help: "Days within which the agent has to take it.")
        var days = 30

        func run() throws {
            let scope = Manifest.Scope.agent(try AgentID(validating: signing.agent))
            guard (1...3650).contains(days) else { throw ValidationError("--days \(days): use 1 to 3650") }
            let signer = try LocalSigner(dataDir: signing.dataDir, tenant: signing.tenant)
            let body = try signer.held(scope)?.manifest.body ?? ""
            guard let set else {
                for group in try ManifestText.groups(in: body, source: "the manifest held") { print(group) }
                return
            }
            guard let groups = set.isEmpty ? [] : GroupName.list(set) else {
                throw ValidationError("--set: up to \(GroupName.countMax) different names, as in \"edge, canary\"")
            }
            let version = try signer.push(ManifestText.setting(groups, in: body), to: scope, days: days)
            print("pushed version \(version) to \(signer.tenant)/\(signing.agent); see \"stagebox config show\"")
        }
    }

    struct Order: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "command", abstract: "Have an agent do something once: flush, reconnect or status.")
        @OptionGroup var signing: Signing
        @Argument(help: "What to do.")
        var verb: String
        @Argument(help: "Its argument.")
        var argument = ""
        @Option(help: "Seconds within which the agent has to begin, and for which its answer is waited.")
        var seconds = 30

        func run() throws {
            guard (1...3600).contains(seconds) else { throw ValidationError("--seconds \(seconds): use 1 to 3600") }
            let agent = try AgentID(validating: signing.agent)
            let signer = try LocalSigner(dataDir: signing.dataDir, tenant: signing.tenant)
            let (outcome, text) = try signer.order(verb, argument, of: agent, seconds: seconds)
            print("\(outcome): \(text)")
            if outcome != CommandResult.Outcome.done.name { throw ExitCode.failure }
        }
    }

    struct Orders: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "commands", abstract: "The commands sent and what became of them, newest first.")
        @OptionGroup var about: TenantOption
        func run() throws {
            let answer = try about.session().json("GET", "/api/v1/admin/commands")
            Table.printRows(
                answer["commands"], columns: ["id", "agent", "verb", "sent", "outcome", "answered", "text"])
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take an agent out of the fleet: its certificate and its access to the broker end.")
        @Argument(help: "The agent.")
        var agent: String
        @OptionGroup var about: TenantOption
        func run() throws {
            let id = try AgentID(validating: agent)
            _ = try about.session().send("DELETE", "/api/v1/admin/agents/\(id)")
            print("revoked \(id)")
        }
    }
}
