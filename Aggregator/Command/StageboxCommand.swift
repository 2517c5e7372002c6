import ArgumentParser

/// `stagebox`: the command for people.
@main
struct StageboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stagebox",
        abstract: "Run a demonstration, enrol agents, look at the fleet, ask and export what it measured.",
        subcommands: [
            Demo.self, Login.self, Tenant.self, Token.self, Enrol.self, Pseudonyms.self, Agents.self, Ledger.self,
            Findings.self, Anomalies.self, Export.self,
            QueryCommand.self, Config.self, ShowFingerprint.self, Check.self, StoreCommand.self,
            Detect.self,
        ])
}
